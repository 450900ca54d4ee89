"""The table of formats that `overfit-atlas formats` prints."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Format:
    """One format: its name in `Read.format`, what it is, how its log comes to be."""

    name: str
    what: str
    source: str
    extra: str | None = None  # the extra of the package that it needs


_KNOWN = (
    Format("keras history", "History.history as JSON or dict", "json.dump(history.history, file)"),
    Format("keras csvlogger", "CSVLogger, runs appended too", "CSVLogger('training.log')"),
    Format("keras console", "printed progress of fit", "python train.py > train.txt"),
    Format("console", "printed lines of a training loop", "print(f'Epoch {epoch} ...')"),
    Format("notebook", "printed outputs of a Jupyter notebook", "train.ipynb"),
    Format("table", "CSV, TSV, Excel's CSV, Markdown or aligned text", "frame.to_csv('log.csv')"),
    Format("json records", "rows as JSON, epochs as keys", "frame.to_json(orient='records')"),
    Format("json lines", "one JSON object a line", "log.jsonl"),
    Format("json split", "pandas' orient 'split'", "frame.to_json(orient='split')"),
    Format("python text", "a printed dict, NumPy's numbers too", "file.write(str(history))"),
    Format("lists", "named lists as YAML or text", "yaml.dump(history)"),
    Format("pickle", "plain dicts and lists, numeric arrays", "pickle.dump(history.history, file)"),
    Format("numpy", ".npz of arrays, .npy of a dict", "np.save('history.npy', history.history)"),
    Format("torch", "curves saved by torch.save", "torch.save({'train_loss': [...]}, 'log.pt')"),
    Format("data frame", "a pandas DataFrame", "read(frame)"),
    Format("lightning", "Lightning's metrics.csv", "CSVLogger('logs')"),
    Format("huggingface", "trainer_state.json, log_history", "Trainer(...).save_state()"),
    Format("ultralytics", "results.csv of classification", "yolo classify train"),
    Format("fastai", "fastai's CSVLogger", "learn.fit(..., cbs=CSVLogger())"),
    Format("tensorboard events", "event files", "SummaryWriter, keras.callbacks.TensorBoard"),
    Format("tensorboard export", "a folder of exported curves", "TensorBoard's download links"),
    Format("wandb export", "panel export, run.history()", "run.history().to_csv('run.csv')"),
    Format("dvclive", "a folder of DVCLive", "dvclive/plots/metrics"),
    Format("mlflow", "a run by id, or its folder", "overfit-atlas diagnose RUN_ID", "mlflow"),
)


def formats() -> list[Format]:
    """All formats that are read, by name."""
    return list(_KNOWN)
