import sys

import click

from mtbench_ko.cli.options import read_config, settings


@click.command("doctor")
@settings("bench", "model", "engine", "generation", "judge", "endpoint", "output", "storage")
@click.pass_context
def command(context: click.Context, /, **_: object) -> None:
    """Look at everything that 'run' with the same options would need, before GPU hours are spent.

    Questions, weights, chat templates, keys (one call of a few tokens each), the output, Ray's nodes and their GPUs,
    and the placement. Prints a line for each: ok, warning, or failed with what to do. Exit code 2 if anything failed.
    """
    config = read_config(context)
    from rich.console import Console

    from mtbench_ko.engine import ray_cluster
    from mtbench_ko.errors import MtBenchError, Preempted
    from mtbench_ko.job.doctor import Finding, examine_cluster, examine_settings
    from mtbench_ko.job.placement_table import placement_table

    findings = []

    def tell(finding: Finding) -> None:
        findings.append(finding)
        click.echo(str(finding))

    for finding in examine_settings(config):
        tell(finding)
    try:
        with ray_cluster(config.ray_address) as nodes:
            found, plan = examine_cluster(config, nodes)
            for finding in found:
                tell(finding)
            if plan and plan.asks:
                Console().print(placement_table(plan))
    except Preempted:
        raise
    except MtBenchError as error:
        tell(Finding("failed", "Ray", str(error)))
    sys.exit(2 if any(finding.level == "failed" for finding in findings) else 0)
