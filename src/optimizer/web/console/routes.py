"""All pages of the console, under ``/console``."""

from fastapi import APIRouter
from fastapi.routing import APIRoute

from optimizer.web.console import (
    assets,
    assist,
    audit,
    campaigns,
    decisions,
    forecasts,
    measurement,
    overview,
    proposals,
    quarantine,
    recipients,
    reviews,
    segments,
    signing,
    steering,
    strategy,
    weekly,
)
from optimizer.web.console.forms import HOME

router = APIRouter(include_in_schema=False)
for page in (
    assets,
    assist,
    audit,
    campaigns,
    decisions,
    forecasts,
    measurement,
    overview,
    proposals,
    quarantine,
    recipients,
    reviews,
    segments,
    signing,
    steering,
    strategy,
    weekly,
):
    for route in page.router.routes:  # one by one, so that metrics and logs name the whole pattern
        assert isinstance(route, APIRoute)  # noqa: S101 - pages have no others
        router.add_api_route(HOME + route.path, route.endpoint, methods=route.methods, dependencies=route.dependencies)
