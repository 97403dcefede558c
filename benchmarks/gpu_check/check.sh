#!/usr/bin/env bash
# On the GPU machine: install from the kit, then every check that only a GPU can do, the most important first.
#   bash .gpu/check.sh                       all steps, some 9 minutes
#   STEPS='product scan' bash .gpu/check.sh  some of: torch product tests scan variants rates hg38
# Logs go to $OUT where that is set. A second call on the same warm machine skips what is installed.
set -u
KIT=$(cd "$(dirname "$0")" && pwd) HOME_=$HOME/gpu OUT=${OUT:-$HOME/gpu/out}
mkdir -p $HOME_/build $HOME_/site $HOME_/ort $HOME_/shared "$OUT" && cd $HOME_
BIN=$(python3 -c 'import sys, pathlib; print(pathlib.Path(sys.executable).parent)')
PACKAGES=$(python3 -c 'import torch, pathlib; print(pathlib.Path(torch.__file__).parent.parent)')
cp "$KIT"/*.py . 2>/dev/null
rm -rf main && mkdir main && tar -C main -xJf "$KIT/source.tar.xz"
if [ ! -e installed ]; then
  tar -C site -xJf "$KIT/packages.tar.xz" && tar -C ort -xJf "$KIT/runtime.tar.xz" && cp -r "$KIT/data" shared/data
  ln -sfn "$PACKAGES/nvidia" ort/nvidia
  rm -rf "$PACKAGES"/onnxruntime-[0-9]*.dist-info  # that of the CPU: two installed runtimes are said, which the tests take for a fault
  mkdir -p site/epigept_batch-0.dist-info && printf 'Metadata-Version: 2.1\nName: epigept-batch\nVersion: 0\n' >site/epigept_batch-0.dist-info/METADATA
  for pair in "epigept-batch epigept_batch.cli.main" "epigept-export epigept_export.cli"; do
    set -- $pair
    printf '#!/bin/sh\nexec %s/python3 -c "import sys; sys.argv[0] = \\"%s\\"; from %s import main; sys.exit(main())" "$@"\n' "$BIN" "$1" "$2" >"$BIN/$1"
    chmod +x "$BIN/$1"
  done
  touch installed
fi
set -- ${STEPS:-torch product tests scan variants rates hg38}
export PYTHONUNBUFFERED=1 EPIGEPT_BATCH_HOME=$HOME_/home
RUNTIME_PATH=$HOME_/site:$HOME_/main:$HOME_/main/export     # PyTorch's own CPU onnxruntime: enough for the conversion
GPU_PATH=$HOME_/ort:$RUNTIME_PATH
export PYTHONPATH=$RUNTIME_PATH
nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader; nproc; python3 -V
[ -f build/hg38.ckpt ] || python3 main/tests/make_checkpoint.py hg38 build/hg38.ckpt
for p in fp16 fp32; do
  [ -f build/$p.onnx ] || (epigept-export convert build/hg38.ckpt --motifs shared/data/motifs/all_motif_rmdup --motif-factors shared/data/motifs/MotifMatch_human_rmdup.mat \
    --expression-reference shared/data/expression/reference_expression.tsv --precision $p --no-verify --output build/$p.part.onnx && mv build/$p.part.onnx build/$p.onnx) >"$OUT/convert.$p.log" 2>&1 &
done
began=$(date +%s)
for step in "$@"; do
  echo "== $step ($(($(date +%s) - began)) s)"
  case $step in torch) script=torch_baseline.py ;; variants) script=ort_variants.py ;; *) script= ;; esac
  [ -z "$script" ] || [ -f $script ] || { echo "left out: the kit has no $script"; continue; }
  case $step in
    torch) PYTHONPATH=$RUNTIME_PATH timeout 110 python3 torch_baseline.py build/hg38.ckpt shared/data/golden/hg38_chr2_1792000_encode.npz 60 2>&1 | tee "$OUT/torch.log"; continue ;;
  esac
  wait; export PYTHONPATH=$GPU_PATH
  case $step in
    product)
      rm -rf out1; time timeout 60 epigept-batch genome --tpm shared/data/expression/encode_rsem.tsv.gz --fasta shared/data/genome/hg38_chr2_1-2333275.fa.gz --model build/fp16.onnx --device cuda --out out1 2>&1 | tail -8
      python3 -c "import json; r = json.load(open('out1/encode_rsem.run.json')); print({k: r.get(k) for k in ('device', 'provider', 'scan', 'windows', 'batch_size', 'seconds')})" ;;
    tests) (cd main && timeout 180 python3 -m pytest -q -m gpu -W ignore -p no:cacheprovider tests/inference tests/cli/test_golden.py 2>&1 | tail -25) | tee "$OUT/tests.log" ;;
    scan)
      python3 -c 'import numba, numba_cuda; print("numba", numba.__version__, "numba-cuda", numba_cuda.__version__)'
      timeout 60 python3 main/benchmarks/gpu_check/scan.py --model build/fp16.onnx --fasta shared/data/genome/hg38_chr2_1-2333275.fa.gz 2>&1 | tee "$OUT/scan.log"
      (cd main && SCAN_BACKEND=gpu timeout 150 python3 -m pytest -q -m every_backend -W ignore -p no:cacheprovider tests/motifs 2>&1 | tail -25) | tee "$OUT/scan_tests.log" ;;
    variants) timeout 100 python3 ort_variants.py build/fp16.onnx base,profile,graph,sdpa1,sdpa2,sdpa8,nhwc 2>&1 | tee "$OUT/variants.log" ;;
    rates) (cd main && timeout 170 python3 benchmarks/gpu.py --data $HOME_/shared/data --work $HOME_/build --sizes 1 4 16 32 --megabases 30 300 2>"$OUT/rates.err") | tee "$OUT/rates.log"; tail -n 3 "$OUT/rates.err" ;;
    hg38)
      timeout 60 python3 - <<PY
import sys; sys.path.insert(0, "main/benchmarks")
import argparse, pathlib, host
host.prepare(argparse.Namespace(data=pathlib.Path("shared/data"), work=pathlib.Path("build"), model=pathlib.Path("build/fp16.onnx"), megabases=[3100]))
PY
      for samples in 1 4; do
        rm -rf out2; t=(); for n in $(seq $samples); do t+=(--tpm "s$n=shared/data/expression/encode_rsem.tsv.gz"); done
        time timeout 120 epigept-batch genome "${t[@]}" --fasta build/3100.fa --scores build/3100.scores --model build/fp16.onnx --device cuda --out out2 2>&1 | tail -3
        python3 -c "import json; r = json.load(open('out2/s1.run.json')); print({k: r.get(k) for k in ('windows', 'batch_size', 'seconds', 'peak_memory_bytes')})"
      done | tee "$OUT/hg38.log" ;;
  esac
done
