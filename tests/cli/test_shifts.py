"""`list shifts` and `show`: shifts with what their mean is over, and the OOD sets that datasets declare."""

from __future__ import annotations

from calibench.plugins.discovery import registry


def test_shifts_are_listed(cli):
    names = [item["name"] for item in cli("list", "shifts", "--json").document["items"]]
    assert names[:5] == ["cifar10-c", "cifar100-c", "corruptions", "label-shift", "rotation"]


def test_a_shift_is_shown_with_its_mean_and_parameters(cli):
    page = cli("show", "shift", "cifar10-c").out
    assert "mean over" in page
    assert "jpeg_compression at severity 1, 2, 3, 4, 5" in page
    assert cli("show", "shift", "rotation", "--json").document["params"][0]["unit"] == "degrees"


def test_a_dataset_is_shown_with_its_ood_sets(cli):
    assert "near OOD" in cli("show", "dataset", "cifar10").out


def test_ood_sets_that_datasets_declare_are_other_datasets():
    for entry in registry().all("dataset"):
        for name in (*entry.spec.near_ood, *entry.spec.far_ood):
            assert registry().get("dataset", name).spec.name != entry.spec.name
