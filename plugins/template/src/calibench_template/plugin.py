"""The methods that this package offers. Import nothing heavy here: calibench imports `target` when the method is used."""

from calibench import MethodSpec, Param, hookimpl


@hookimpl
def calibench_methods() -> list[MethodSpec]:
    """`bcts`."""
    return [
        MethodSpec(
            name="bcts",
            kind="calibrator",
            target="calibench_template.bcts:BCTS",
            summary="Bias-corrected temperature scaling: one temperature for all logits and a bias for each class.",
            params=(Param("l2", "float", 1e-3, "weight of the sum of squared biases; 0 is the paper's", minimum=0),),
            equation="p = softmax(z / T + b), (T, b) = argmin NLL on cal + l2 sum_k b_k^2, T in [1/50, 50]",
            use_when="class shares of cal and of training differ, and answers may change",
            avoid_when="a class has few cal rows: its bias is then a guess, and temperature has none",
            cost="a search over K + 1 numbers",
            paper="A. Alexandari, A. Kundaje, A. Shrikumar, ICML 2020 (arXiv 1901.06852), section 4",
            deviations=("a small L2 term limits the bias of a class with few samples in cal; l2=0 removes it",),
        )
    ]
