/* Follows the heap of a process, every allocator in it at once: torch's, numpy's, Python's large objects, and the vectors
 * inside the kernels. For LD_PRELOAD; glibc. counted.py builds it, and asks it through ctypes. */
#include <errno.h>
#include <malloc.h>
#include <stddef.h>

extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);
extern void __libc_free(void *);

static long now, most, start;

static void *taken(void *block) {
  long held = __atomic_add_fetch(&now, (long)malloc_usable_size(block), __ATOMIC_RELAXED);
  long seen = __atomic_load_n(&most, __ATOMIC_RELAXED);
  while (held > seen && !__atomic_compare_exchange_n(&most, &seen, held, 1, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
  }
  return block;
}

static void given_back(void *block) { __atomic_sub_fetch(&now, (long)malloc_usable_size(block), __ATOMIC_RELAXED); }

void *malloc(size_t size) { return taken(__libc_malloc(size)); }
void *calloc(size_t count, size_t size) { return taken(__libc_calloc(count, size)); }
void *memalign(size_t alignment, size_t size) { return taken(__libc_memalign(alignment, size)); }
void *aligned_alloc(size_t alignment, size_t size) { return taken(__libc_memalign(alignment, size)); }

int posix_memalign(void **block, size_t alignment, size_t size) {
  void *found = taken(__libc_memalign(alignment, size));
  if (found == NULL && size != 0) return ENOMEM;
  *block = found;
  return 0;
}

void *realloc(void *block, size_t size) {
  long before = (long)malloc_usable_size(block);
  void *found = __libc_realloc(block, size);
  if (found == NULL && size != 0) return NULL; /* the old block stays */
  __atomic_sub_fetch(&now, before, __ATOMIC_RELAXED);
  return taken(found);
}

void free(void *block) {
  given_back(block);
  __libc_free(block);
}

/* Forgets what came before. */
void calibench_heap_start(void) {
  start = now;
  most = now;
}

/* Most bytes held at once since then, beyond those held then. */
long calibench_heap_peak(void) { return most - start; }
