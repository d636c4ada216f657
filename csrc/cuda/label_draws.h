// The interface between label_draws.cu and label_draws.cpp. nvcc compiles the .cu file without torch's
// headers.
#pragma once

#include <cuda_runtime_api.h>

#include "../core/class_rows.h"

namespace calibench {

// Bytes of scratch: 32 per row, and at most 128 MiB of shares and cells.
int64_t label_draw_bytes(const LabelDrawArgs& args);

// Counts drawn labels in args.right [C, P] and args.labels [K M, P].
cudaError_t draw_labels(const LabelDrawArgs& args, int64_t num_cells, void* scratch, cudaStream_t stream);

}  // namespace calibench
