"""The one decision path and the one learning step, on arrays; the service and every rehearsal call the same."""
