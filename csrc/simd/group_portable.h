// The group G of avx512.h as plain C++ loops. After portable.h.
#pragma once

namespace calibench::CALIBENCH_ISA {

using MaskG = Mask16;
using G = F;
constexpr int kGroup = 16;
CALIBENCH_INLINE D set_like(const D&, double x) { return set(x); }
CALIBENCH_INLINE F set_like(const F&, float x) { return set(x); }
CALIBENCH_INLINE G load_group(const float* p) { return load(p); }
CALIBENCH_INLINE MaskG differ(const G& a, const G& b) { return {~equal(a, b).bits & 0xffffu}; }
CALIBENCH_INLINE G keep(MaskG m, const G& a) { return select(m, a, set(0.0f)); }
CALIBENCH_INLINE G set_bit(const G& set, MaskG m, int64_t j) {
  G r;
  CALIBENCH_LANES(16) {
    uint32_t bits;
    memcpy(&bits, &set.v[l], 4);
    if (m.bits >> l & 1) bits |= kBits[j];
    memcpy(&r.v[l], &bits, 4);
  }
  return r;
}
CALIBENCH_INLINE G complement(const G& set, int64_t n) {
  G r;
  CALIBENCH_LANES(16) {
    uint32_t bits;
    memcpy(&bits, &set.v[l], 4);
    bits = ~bits & (~0u >> (32 - n));
    memcpy(&r.v[l], &bits, 4);
  }
  return r;
}
CALIBENCH_INLINE G lowest_bit(const G& set, unsigned* several) {
  G r;
  *several = 0;
  CALIBENCH_LANES(16) {
    uint32_t bits;
    memcpy(&bits, &set.v[l], 4);
    r.v[l] = static_cast<float>(bits == 0 ? 0 : __builtin_ctz(bits));
    *several |= static_cast<unsigned>((bits & (bits - 1)) != 0) << l;
  }
  return r;
}
CALIBENCH_INLINE void store_cells(int32_t* p, const G& z, int32_t last, MaskG hit) {
  CALIBENCH_LANES(16) {
    const int32_t bin = static_cast<int32_t>(z.v[l]);
    p[l] = 2 * (bin < last ? bin : last) + static_cast<int32_t>(hit.bits >> l & 1);
  }
}
CALIBENCH_INLINE G exponent(const G& a) {
  G r;
  CALIBENCH_LANES(16) {
    uint32_t raw;
    memcpy(&raw, &a.v[l], 4);
    r.v[l] = static_cast<float>(static_cast<int32_t>(raw >> 23) - 127);
  }
  return r;
}
CALIBENCH_INLINE void split(const G& a, G* m, G* e) {
  G shifted;
  CALIBENCH_LANES(16) {
    int32_t raw;
    memcpy(&raw, &a.v[l], 4);
    raw += 0x3f800000 - kRootHalfBitsF;
    memcpy(&shifted.v[l], &raw, 4);
    raw = (raw & 0x007fffff) + kRootHalfBitsF;
    memcpy(&m->v[l], &raw, 4);
  }
  *e = exponent(shifted);
}
CALIBENCH_INLINE G narrow(const D* a) {
  G r;
  CALIBENCH_LANES(16) r.v[l] = static_cast<float>(a[l / 8].v[l % 8]);
  return r;
}
CALIBENCH_INLINE MaskG equal_group(const int64_t* p, const int64_t* q) {
  return {equal(p, q).bits | equal(p + 8, q + 8).bits << 8};
}
CALIBENCH_INLINE void store_group(float* p, const G& a) { store(p, a); }
CALIBENCH_INLINE D widen(const G& a, int part) { return part == 0 ? low(a) : high(a); }
CALIBENCH_INLINE G count_lanes(const G& n, MaskG m) { return n + keep(m, set(1.0f)); }
CALIBENCH_INLINE void store_integers(int64_t* p, const G& a) {
  CALIBENCH_LANES(16) p[l] = static_cast<int64_t>(a.v[l]);
}

}  // namespace calibench::CALIBENCH_ISA
