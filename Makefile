DATA ?= ../shared/data

.PHONY: check check-all check-browser check-docs check-lowest check-published check-pythons check-workflows docs format fuzz lock release try

check:  ## What CI runs
	bash .ci/run

check-lowest:  ## The tests with the lowest versions that pyproject.toml allows
	bash .ci/lowest

check-pythons:  ## The tests on the other Pythons that are installed here
	bash .ci/pythons

check-docs:  ## The commands of the pages that take hours, in a copy of the folder EPIGEPT_DOCS_DATA
	pytest -m slow tests/docs

check-browser:  ## The page of view in Chromium; needs the [browser] extra and a Chromium
	pytest -m browser tests/browser

check-published:  ## The tests of further networks of the published size, in every precision
	EPIGEPT_TESTS_PUBLISHED=1 pytest -m published

check-workflows:  ## The workflows on Slurm and Snakemake; each is skipped where it is not installed
	EPIGEPT_TESTS_WORKFLOWS=1 pytest -m "slurm or snakemake" tests/workflows

check-all: check check-browser check-published check-workflows check-lowest check-pythons  ## All that is checked before a release, but for check-docs

docs:  ## The pages as a site, in docs/_build
	sphinx-build -W --keep-going -q -b html docs docs/_build

BUILD = python3 -c "import tomllib; print(*tomllib.load(open('pyproject.toml', 'rb'))['build-system']['requires'])"

lock:  ## requirements.lock: what the containers install, with hashes; needs uv
	$(BUILD) | uv pip compile pyproject.toml - --extra gpu --python-version 3.12 \
	  --python-platform x86_64-manylinux_2_28 --only-binary :all: --generate-hashes --upgrade --quiet \
	  --custom-compile-command 'make lock' --output-file requirements.lock

release:  ## Wheel and sdist in dist/, each tried in a fresh environment
	bash .ci/release

format:
	ruff check --fix .
	ruff format .

try/model.ckpt:
	mkdir -p try
	python tests/make_checkpoint.py hg38 $@

try/model.onnx: try/model.ckpt
	epigept-export convert $< --motifs $(DATA)/motifs/all_motif_rmdup \
	  --motif-factors $(DATA)/motifs/MotifMatch_human_rmdup.mat \
	  --expression-reference $(DATA)/expression/reference_expression.tsv --output $@

try: try/model.onnx  ## The main job on real sequence and RNA-seq, with a stand-in for the published weights
	ln -sf $(abspath $(DATA))/genome/hg38_chr2_1-2333275.fa.gz try/chr2.fa.gz
	epigept-batch genome --tpm $(DATA)/expression/encode_rsem.tsv.gz --fasta try/chr2.fa.gz --model $< --out try

fuzz:  ## Damaged files for every reader, for an hour
	python tests/fuzz.py --seconds 3600 --keep fuzz --seed $$(date +%s)
