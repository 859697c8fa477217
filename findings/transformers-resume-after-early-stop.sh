#!/usr/bin/env bash
# transformers 5.24.0: a training that early stopping has ended trains on when it is resumed.
#
# Queues and notebooks start the same command again, with resume_from_checkpoint=True, after a job that was cut off.
# Expected: of a job that had ended by itself nothing is left to do; at the latest with
# restore_callback_states_from_checkpoint=True, which keeps the count of evaluations without a gain. Seen: the decision to
# stop is not taken up again, and the training goes on until patience runs out anew: here from step 4 to 7; started once
# more with the states restored, whose count is beyond the patience already, by one step again. Exit 1 if that changes.
set -euo pipefail
cd "$(dirname "$0")/.."
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet -c scripts/constraints.txt torch==2.13.0 transformers==5.24.0 accelerate==1.15.0
HF_HUB_OFFLINE=1 "$folder/venv/bin/python" - "$folder/run" <<'PY'
import sys
import torch, transformers
from transformers import EarlyStoppingCallback, Trainer, TrainingArguments


class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))

    def forward(self, x=None, labels=None):
        return {"loss": ((self.weight - labels) ** 2).mean(), "logits": self.weight.expand(len(labels))}


def rows(label):
    return [{"x": torch.zeros(1), "labels": torch.tensor(label)} for _ in range(8)]


def steps(resume, restore=False):
    arguments = TrainingArguments(
        sys.argv[1], num_train_epochs=20, per_device_train_batch_size=8, learning_rate=0.01, use_cpu=True,
        eval_strategy="epoch", save_strategy="epoch", load_best_model_at_end=True, metric_for_best_model="loss",
        greater_is_better=False, report_to=[], disable_tqdm=True, restore_callback_states_from_checkpoint=restore,
    )
    # What is learned makes the held-out loss rise from the first epoch on.
    trainer = Trainer(
        model=Model(), args=arguments, train_dataset=rows(1.0), eval_dataset=rows(-1.0),
        callbacks=[EarlyStoppingCallback(early_stopping_patience=3)],
    )
    trainer.remove_callback(transformers.PrinterCallback)
    trainer.train(resume_from_checkpoint=resume)
    return trainer.state.global_step


ended = steps(None)
again = steps(True)
print("transformers", transformers.__version__, "torch", torch.__version__)
print("ended at step", ended, "resumed to", again, "and with states restored to", restored := steps(True, True))
sys.exit(0 if ended == 4 and again == 7 and restored == 8 else 1)
PY
