/* nvml_abi.h - the part of NVIDIA's management library (libnvidia-ml.so.1) that we call, declared
 * by ourselves: the vendor's header is not needed to build, and a library that is not there is no
 * link error but a machine without GPUs. Layouts as of the interface's version 13; every size is
 * asserted. ATTESTATION.md C6.4. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define TALLY_NVML_LIBRARY "libnvidia-ml.so.1"

/* nvmlReturn_t. Any other number is an error too. */
enum tally_nvml_return {
    NVML_OK = 0,
    NVML_UNINITIALIZED = 1,
    NVML_INVALID_ARGUMENT = 2,
    NVML_NOT_SUPPORTED = 3,
    NVML_NO_PERMISSION = 4,
    NVML_NOT_FOUND = 6,
    NVML_INSUFFICIENT_SIZE = 7,
    NVML_DRIVER_NOT_LOADED = 9,
    NVML_TIMEOUT = 10,
    NVML_LIBRARY_NOT_FOUND = 12,
    NVML_FUNCTION_NOT_FOUND = 13,
    NVML_GPU_IS_LOST = 15,
    NVML_RESET_REQUIRED = 16,
    NVML_IN_USE = 19,
    NVML_MEMORY = 20,
    NVML_VERSION_MISMATCH = 25, /* of a struct's version field */
    NVML_NOT_READY = 27,
    NVML_UNKNOWN = 999,
};

enum {
    NVML_ENVIRONMENT_NONE = 0,
    NVML_ENVIRONMENT_SIM = 1,
    NVML_ENVIRONMENT_PROD = 2,
    NVML_MULTI_GPU_NONE = 0,
    NVML_MULTI_GPU_PROTECTED_PCIE = 1,
    NVML_MULTI_GPU_NVLINK_ENCRYPTION = 2,
    NVML_ARCH_HOPPER = 9,
    NVML_ARCH_BLACKWELL = 10,
    NVML_CERT_CHAIN_SIZE = 0x1000,
    NVML_ATTESTATION_CHAIN_SIZE = 0x1400,
    NVML_NONCE_SIZE = 0x20,
    NVML_REPORT_SIZE = 0x2000,
    NVML_CEC_REPORT_SIZE = 0x1000,
    NVML_DRIVER_VERSION_SIZE = 80,
    NVML_UUID_SIZE = 96,
    NVML_VBIOS_VERSION_SIZE = 32,
};

/* nvmlDevice_t is a pointer to this. */
struct nvml_device;

/* nvmlConfComputeSystemState_t */
struct nvml_cc_state {
    uint32_t environment; /* NVML_ENVIRONMENT_* */
    uint32_t cc_feature;  /* 1: confidential computing is on */
    uint32_t dev_tools;   /* 1: debugging is allowed, nothing is confidential */
};
_Static_assert(sizeof(struct nvml_cc_state) == 12, "nvmlConfComputeSystemState_t");

/* nvmlSystemConfComputeSettings_t, version 1: the same and more, from newer drivers. */
struct nvml_cc_settings {
    uint32_t version; /* in: NVML_CC_SETTINGS_V1 */
    uint32_t environment, cc_feature, dev_tools;
    uint32_t multi_gpu; /* NVML_MULTI_GPU_* */
};
_Static_assert(sizeof(struct nvml_cc_settings) == 20, "nvmlSystemConfComputeSettings_t");
enum { NVML_CC_SETTINGS_V1 = sizeof(struct nvml_cc_settings) | 1 << 24 };

/* nvmlConfComputeGpuCertificate_t; both chains are PEM, leaf first, and ours is the second. */
struct nvml_certificate {
    uint32_t chain_size, attestation_chain_size;
    uint8_t chain[NVML_CERT_CHAIN_SIZE];
    uint8_t attestation_chain[NVML_ATTESTATION_CHAIN_SIZE];
};
_Static_assert(sizeof(struct nvml_certificate) == 8 + 0x1000 + 0x1400,
               "nvmlConfComputeGpuCertificate_t");

/* nvmlConfComputeGpuAttestationReport_t */
struct nvml_report {
    uint32_t cec_present, report_size, cec_report_size;
    uint8_t nonce[NVML_NONCE_SIZE]; /* in */
    uint8_t report[NVML_REPORT_SIZE];
    uint8_t cec_report[NVML_CEC_REPORT_SIZE];
};
_Static_assert(sizeof(struct nvml_report) == 12 + 0x20 + 0x2000 + 0x1000,
               "nvmlConfComputeGpuAttestationReport_t");
_Static_assert(offsetof(struct nvml_report, report) == 44, "attestationReport");

/* The functions: X(member, symbol, parameters). Each gives an nvmlReturn_t, an int. */
/* clang-format off */
#define TALLY_NVML_SYMBOLS(X)                                                                      \
    X(init, nvmlInit_v2, (void))                                                                   \
    X(shutdown, nvmlShutdown, (void))                                                              \
    X(driver_version, nvmlSystemGetDriverVersion, (char *, unsigned))                              \
    X(count, nvmlDeviceGetCount_v2, (unsigned *))                                                  \
    X(handle, nvmlDeviceGetHandleByIndex_v2, (unsigned, struct nvml_device **))                    \
    X(cc_state, nvmlSystemGetConfComputeState, (struct nvml_cc_state *))                           \
    X(cc_settings, nvmlSystemGetConfComputeSettings, (struct nvml_cc_settings *))                  \
    X(get_ready, nvmlSystemGetConfComputeGpusReadyState, (unsigned *))                             \
    X(set_ready, nvmlSystemSetConfComputeGpusReadyState, (unsigned))                               \
    X(certificate, nvmlDeviceGetConfComputeGpuCertificate,                                         \
      (struct nvml_device *, struct nvml_certificate *))                                           \
    X(report, nvmlDeviceGetConfComputeGpuAttestationReport,                                        \
      (struct nvml_device *, struct nvml_report *))                                                \
    X(uuid, nvmlDeviceGetUUID, (struct nvml_device *, char *, unsigned))                           \
    X(vbios, nvmlDeviceGetVbiosVersion, (struct nvml_device *, char *, unsigned))                  \
    X(architecture, nvmlDeviceGetArchitecture, (struct nvml_device *, unsigned *))
/* clang-format on */
