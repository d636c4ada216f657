"""A plugin that offers a name that another one has: `temperature`."""

import calibench


@calibench.hookimpl
def calibench_methods():
    """Its own `temperature`, and `cool`, which nobody else has."""
    return [
        calibench.MethodSpec(name="cool", kind="calibrator", target="clash_plugin:Cool", summary="Colder."),
        calibench.MethodSpec(name="temperature", kind="calibrator", target="clash_plugin:Cool", summary="Colder."),
    ]
