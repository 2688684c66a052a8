#pragma once
#include <stddef.h>
#include <stdint.h>

/// libFuzzer's own main loop. Returns when it is done; exits the process when a case fails.
int LLVMFuzzerRunDriver(
    int *argc, char ***argv, int (*callback)(const uint8_t *data, size_t size));
