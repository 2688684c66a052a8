// The one C header that GRPCEdge sees: libnghttp2's own (Debian: libnghttp2-dev).
#include <nghttp2/nghttp2.h>
