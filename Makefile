# `make` or `make help` lists what can be made. Only Python 3.11.4 to 3.13, git and make are needed:
# everything else is installed into .venv/ from requirements/, where versions and hashes are pinned.

PYTHON ?= python3
PORT ?= 5000
NAME ?=
QUICK ?=

VENV := .venv
READY := $(VENV)/ready
TESTED := $(VENV)/ready-to-test
DOCS := .venv-docs
LOCKS := requirements
QUIETLY := --quiet --no-deps
REPORT := results/report/index.html
# Columns of `dvc exp show` that are left out: files, times, and what would not fit a terminal;
# without a terminal, rows are whole however long.
UNREAD := '[a-z_.]+/|overfit_atlas$$|Created|State|Executor|.*\.(probability|val_accuracy)$$|evaluate.read_test'

# In which language `make` speaks, and what it says: `$(call say,NO_GIT)`.
SPOKEN := $(if $(filter ja%,$(firstword $(LC_ALL) $(LC_MESSAGES) $(LANG))),ja,en)
say = echo "$($(1)_$(SPOKEN))"
FIRST_en = First: make repro, then make report. The course is in README.md (日本語: README.ja.md).
FIRST_ja = まず make repro、次に make report。コースは README.ja.md にある（English: README.md）。
USAGE_en = Usage: make TARGET
USAGE_ja = 使い方：make ターゲット
OTHER_en = Another Python: make repro PYTHON=python3.12
OTHER_ja = 別の Python を使う：make repro PYTHON=python3.12
NAMES_en = error: NAME is missing or unknown. NAME is one of:
NAMES_ja = エラー：NAME がないか、知らない名前です。NAME は次のどれか：
NO_STUDY_en = error: no study yet. First: make repro
NO_STUDY_ja = エラー：スタディはまだありません。まず make repro
NO_REPORT_en = error: no report yet. First: make repro
NO_REPORT_ja = エラー：レポートはまだありません。まず make repro
REPORT_TOO_en = The report shows it too: make repro
REPORT_TOO_ja = レポートにも出ます：make repro
NO_GIT_en = error: no git repository, which DVC needs; in an unpacked download first run: \
	git init && git add . && git commit -m Start
NO_GIT_ja = エラー：DVC に必要な git リポジトリがありません。書庫を展開したものなら、まず \
	git init && git add . && git commit -m Start
NO_PYTHON_en = error: $(PYTHON) is missing or not Python 3.11.4 to 3.13: install one, or name it: \
	make PYTHON=python3.12
NO_PYTHON_ja = エラー：$(PYTHON) がないか、Python 3.11.4〜3.13 ではありません。入れるか、名前を指定してください： \
	make PYTHON=python3.12
NO_VENV_en = error: $(PYTHON) -m venv failed; on Debian and Ubuntu: apt install python3-venv
NO_VENV_ja = エラー：$(PYTHON) -m venv に失敗しました。Debian と Ubuntu では：apt install python3-venv
INSTALLING_en = Installing into $(VENV) (about 3 GB, one to three minutes the first time) ...
INSTALLING_ja = $(VENV) に入れています（約 3 GB、初回は 1〜3 分） ...
TESTS_TOO_en = Installing what only the tests need ...
TESTS_TOO_ja = テストだけに必要なものを入れています ...
NO_UV_en = uv cannot install here: pip does, which takes longer
NO_UV_ja = ここでは uv で入れられないので、pip で入れます（時間がかかります）
NO_INSTALL_en = error: installing failed, see above; is the package registry reached? Then again: make $(MAKECMDGOALS)
NO_INSTALL_ja = エラー：インストールに失敗しました（上を見てください）。パッケージの配布元につながりますか。もう一度：make $(MAKECMDGOALS)

# DVC runs `python` from PATH.
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
export MLFLOW_DISABLE_TELEMETRY := true
# Else every stage would compile TensorFlow and MLflow anew.
unexport PYTHONDONTWRITEBYTECODE
export PIP_DISABLE_PIP_VERSION_CHECK := 1

# uv is the faster one. Where there is none, or it cannot install (it reads no pip.conf, for one),
# pip does the same.
install = python -m uv pip install --python $(VENV)/bin/python $(QUIETLY) $(1) 2> /dev/null \
	|| { $(call say,NO_UV); python -m pip install $(QUIETLY) $(1); } \
	|| { $(call say,NO_INSTALL); exit 1; }

# Refuses a NAME that is none of a model that is trained alone.
of_a_model = case "$(NAME)" in dense|cnn|efficientnet) ;; *) \
	$(call say,NAMES); printf '%s\n' dense cnn efficientnet; exit 1;; esac

# A third of all modules, but most of those that stages import: compiled on all cores here, and not
# on one while the first stages wait. The rest is compiled as it is imported.
COMPILED := tensorflow keras mlflow dvc optuna pandas scipy numpy

# A lock without addresses, held to the versions of the run's; one version of a package for all
# Pythons where there is one.
lock = python -m uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--fork-strategy fewest \
	--custom-compile-command "make lock" $(UPGRADE) $(2) -o $(LOCKS)/$(1).lock

.DEFAULT_GOAL := help
.PHONY: help repro model test ui dashboard report experiments docs bench images compare preset classics lr layers numbers lock clean

help: ## List these targets | この一覧
	@$(call say,FIRST)
	@$(call say,USAGE)
	@sed -n 's/^\([a-z]*\):.*## \(.*\) | \(.*\)/  \1|\2|\3/p' $(firstword $(MAKEFILE_LIST)) \
		| while IFS='|' read -r target en ja; do printf '%-14s%s\n' "$$target" "$$$(SPOKEN)"; done
	@$(call say,OTHER)

repro: $(READY) ## Set up, train what is not up to date, print the table of results | 準備し、変わった所だけを学習・判定し、結果の表を出す
	python -m dvc repro judge@dense # the first verdict within a minute; DVC promises no order
	python -m dvc repro
	@python -m pipeline.stages.summary

model: $(READY) ## Train and judge one model alone: NAME=dense, cnn or efficientnet | 1 つのモデルだけを学習して判定する：NAME=dense、cnn、efficientnet
	@$(of_a_model)
	python -m dvc repro "judge@$(NAME)"

lr: $(READY) ## Which learning rate to begin with: a range test of NAME=dense, cnn or efficientnet | どの学習率から始めるか：NAME=dense、cnn、efficientnet の範囲テスト
	@$(of_a_model)
	@test -d data/prepared || python -m dvc repro preprocess
	@python -m pipeline.stages.lr "$(NAME)"

layers: $(READY) ## Layers, shapes and weights of a trained net, the first layer as pictures: NAME=dense, cnn or efficientnet | 学習済みモデルの層、形、重みの数と、最初の層の重みの画像：NAME=dense、cnn、efficientnet
	@$(of_a_model)
	@python -m pipeline.stages.layers "$(NAME)"

test: $(TESTED) ## Set up, then everything CI runs: ruff, mypy, pytest with a small real pipeline; LONG=1: what runs at night, too | 準備し、CI と同じ検査をする：ruff、mypy、小さな実物のパイプラインを含む pytest。LONG=1：夜間に行う検査も
	python -m ruff check .
	python -m ruff format --check .
	@python -m mypy > $(VENV)/types & types=$$!; \
	python -m pytest -n 3 --dist loadfile --no-loadscope-reorder $(if $(LONG),-m ""); tests=$$?; \
	wait $$types; types=$$?; cat $(VENV)/types; exit $$((tests + types))

ui: $(READY) ## Open the tracked runs: MLflow at http://127.0.0.1:5000 (other port: PORT=...) | 記録したランを開く：MLflow、http://127.0.0.1:5000（別のポート：PORT=...）
	@python -m pipeline.stages.ui --port $(PORT)

dashboard: $(READY) ## Open the studies: Optuna at http://127.0.0.1:8080 | スタディを開く：Optuna、http://127.0.0.1:8080
	@test -f mlruns/optuna.db || { $(call say,NO_STUDY); exit 1; }
	@mkdir -p mlruns/optuna_artifacts
	@python -c 'from optuna_dashboard._cli import main; main()' \
		"sqlite:///$(CURDIR)/mlruns/optuna.db" --host 127.0.0.1 --port 8080 \
		--artifact-dir "$(CURDIR)/mlruns/optuna_artifacts"

report: ## Open the report, or print where it lies | レポートを開く。開けなければ場所を出す
	@test -f $(REPORT) || { $(call say,NO_REPORT); exit 1; }
	@echo "$(CURDIR)/$(REPORT)"
	@if [ -n "$$DISPLAY$$WAYLAND_DISPLAY" ] || [ "$$(uname)" = Darwin ]; then \
		$(PYTHON) -m webbrowser -t "file://$(CURDIR)/$(REPORT)" > /dev/null; fi

experiments: $(READY) ## What DVC experiments changed, and the verdicts that came out | DVC の実験で変えたものと、その判定
	@test -t 1 || export COLUMNS=$${COLUMNS:-1000}; \
		python -m dvc exp show --no-pager --only-changed --hide-workspace --drop $(UNREAD)

numbers: $(READY) ## Write the numbers of the README anew from the last run | README の数値を最後の実行から書き直す
	@python -m scripts.docs_numbers

docs: $(DOCS)/ready ## Make the site of docs/ and of the docstrings: site/index.html, for reading offline | docs/ と docstring のサイトを作る：site/index.html、オフラインで読める
	@NO_MKDOCS_2_WARNING=1 $(DOCS)/bin/python -m mkdocs build --quiet --strict
	@echo "$(CURDIR)/site/index.html"

bench: $(READY) ## Measure speed and memory against the plain Keras notebook | 速さとメモリを、ふつうの Keras のノートブックと比べて測る
	python -m benchmarks

images: $(READY) ## Find memorised, mislabelled and copied images: results/images/, with docs/images.md | 丸暗記された画像、ラベルが疑わしい画像、重複を探す：results/images/（docs/images.md）
	@python -m pipeline.stages.comparisons images
	python -m dvc repro experiments/dvc.yaml:images@train
	@if test -f $(REPORT); then python -m dvc repro --single-item --force report; else \
		$(call say,REPORT_TOO); fi

compare: $(READY) ## Run one comparison of experiments/compare: make compare NAME=... | experiments/compare の比較を 1 つ実行する：make compare NAME=...
	@test -f "experiments/compare/$(NAME).yaml" || { $(call say,NAMES); \
		ls experiments/compare | sed -n 's/\.yaml$$//p'; exit 1; }
	@python -m pipeline.stages.comparisons "$(NAME)"
	python -m dvc repro "experiments/dvc.yaml:compare@$(NAME)"

classics: $(READY) ## Run experiments of courses and papers again, on whole data (hours); QUICK=1: on less; NAME=... one | 講義や論文の実験を全データでやり直す（数時間）。QUICK=1：少ないデータで。NAME=...：1 つだけ
	@python -m pipeline.stages.classics $(NAME) $(if $(QUICK),--quick)

preset: $(READY) ## Run the pipeline with one preset of experiments/presets, as a DVC experiment: NAME=... | experiments/presets の設定 1 つで全体を DVC の実験として実行する：NAME=...
	@test -f "experiments/presets/$(NAME).yaml" || { $(call say,NAMES); \
		ls experiments/presets | sed -n 's/\.yaml$$//p'; exit 1; }
	python -m pipeline.preset $(NAME) --run

lock: $(READY) ## Write requirements/ anew from pyproject.toml (newest versions: UPGRADE=--upgrade) | pyproject.toml から requirements/ を書き直す（最新の版：UPGRADE=--upgrade）
	$(call lock,run,pyproject.toml --extra pipeline --group build)
	$(call lock,lite,pyproject.toml --extra lite -c $(LOCKS)/run.lock)
	$(call lock,test,--group test -c $(LOCKS)/run.lock)
	$(call lock,docs,--group docs -c $(LOCKS)/run.lock)
	$(call lock,installer,--group installer)

clean: ## Remove what stages wrote and caches of tools; keep .venv, mlruns and DVC's cache | ステージの出力とツールのキャッシュを消す。.venv、mlruns、DVC のキャッシュは残す
	rm -rf data/raw data/prepared models results .checkpoints site
	rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find overfit_atlas pipeline tests -name __pycache__ -type d -prune -exec rm -rf {} +

$(READY): $(LOCKS)/installer.lock $(LOCKS)/run.lock pyproject.toml
	@test -e .git || git rev-parse --git-dir > /dev/null 2>&1 || { $(call say,NO_GIT); exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11, 4) <= sys.version_info[:3] < (3, 14))' \
		2> /dev/null || { $(call say,NO_PYTHON); exit 1; }
	@test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
		$(call say,NO_VENV); exit 1; }
	@$(call say,INSTALLING)
	@python -m pip install $(QUIETLY) --require-hashes -r $< 2> /dev/null || true # see `install`
	@$(call install,--require-hashes -r $(LOCKS)/run.lock)
	@$(call install,--no-build-isolation -e .)
	@(cd $(VENV)/lib/python*/site-packages \
		&& python -m compileall -q -j 0 -x '/tests?/' $(COMPILED)) > /dev/null 2>&1 || true # templates
	@touch $@

$(TESTED): $(READY) $(LOCKS)/test.lock
	@$(call say,TESTS_TOO)
	@$(call install,--require-hashes -r $(LOCKS)/test.lock)
	@touch $@

# An environment of its own, small and without TensorFlow: docstrings are read, nothing is imported.
$(DOCS)/ready: $(LOCKS)/docs.lock
	@$(PYTHON) -m venv $(DOCS)
	@$(DOCS)/bin/python -m pip install $(QUIETLY) --require-hashes -r $<
	@touch $@
