"""Pictures: plotly figures of what the house knows, alike in the console, in reports and in notebooks."""
