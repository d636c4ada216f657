"""The order of a recipe's stages: a recipe out of order is refused, and the message names both stages."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        ("temperature+ce", "temperature+ce: 'ce' (objective) cannot follow 'temperature' (calibrator)"),
        ("tst+vtst", "tst+vtst: 'vtst' (refit) cannot follow 'tst' (refit)"),
        ("vtst+vtst", "'vtst' (refit) cannot follow 'vtst' (refit)"),
        ("ce+ce", "'ce' (objective) cannot follow 'ce' (objective)"),
        ("threshold+temperature", "'temperature' (calibrator) cannot follow 'threshold' (decision)"),
        ("temperature+vtst", "'vtst' (refit) cannot follow 'temperature' (calibrator)"),
        ("threshold+swag", "'swag' (sampler) cannot follow 'threshold' (decision)"),
        ("ensemble+vtst", "'vtst' (refit) cannot follow 'ensemble' (ensemble)"),
        ("ensemble+mc-dropout", "'mc-dropout' (sampler) cannot follow 'ensemble' (ensemble)"),
        ("swag+snapshot", "'snapshot' (sampler) cannot follow 'swag' (sampler)"),
        ("conformal+cost", "'cost' (decision) cannot follow 'conformal' (decision)"),
        ("threshold+threshold", "'threshold' (decision) cannot follow 'threshold' (decision)"),
    ],
)
def test_stages_out_of_order_are_refused_by_name(recipe, message, refusal):
    error = refusal(recipe)
    assert message in error.message
    assert "objective -> head refit -> sampler -> ensemble -> calibrators -> decision rule" in error.hint


def test_a_calibrator_may_stand_once(refusal):
    assert "temperature+temperature: 'temperature' stands twice" in refusal("temperature+temperature").message
