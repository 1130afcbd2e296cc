"""`simulator schema`: what an editor needs to complete scenario files."""

from __future__ import annotations

import json

import click


@click.command()
def schema() -> None:
    """Print the JSON Schema of scenario files.

    Save it and name it in your editor; TOML plugins then complete keys and mark mistakes while you type.
    """
    from simulator.scenario import Scenario

    described = {"$schema": "https://json-schema.org/draft/2020-12/schema", **Scenario.model_json_schema()}
    click.echo(json.dumps(described, indent=1))
