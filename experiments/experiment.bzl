"""A runnable target per experiment: `bazel run //experiments:NAME -- FLAGS` is `ptqbench run NAME FLAGS`."""

def experiment(name):
    native.sh_binary(
        name = name,
        srcs = ["run_experiment.sh"],
        args = [
            "$(rootpath :ptqbench)",
            name,
        ],
        data = [":ptqbench"],
    )
