"""Every tolerance of the tests, with the largest deviation measured beside it (2 cores, AVX-512, onnxruntime 1.32)."""

# Signal of a model file fed float16 scores, against the published network code: max abs error.
NETWORK_FP32 = 1e-4  # measured 2.2e-6
# The network in torch against transformers.BertModel with the same weights: max abs error.
NETWORK_TORCH = 1e-4  # measured 2.2e-6
# Signal read back from the bigWigs against the golden windows: max abs error and least Pearson r of a track.
GOLDEN_FP32 = 1e-3  # measured 5.8e-4
GOLDEN_FP32_R = 0.99999  # measured 0.9999998
# Motif scores against HOMER's six printed decimals, in nats.
SCORES = 1e-4  # asked for
SCORES_PRINTED = 2.5e-6  # measured 1.9e-6: half a float32 unit of a score of 32, and HOMER's last decimal
# Expression vector against the golden one, in ln(1 + TPM).
EXPRESSION = 1e-6  # measured 2.4e-7
# The same values by another way (batch, threads, overlap), relative.
SAME = 1e-6  # measured 0
