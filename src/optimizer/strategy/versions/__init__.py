"""From one version of the documents to another: what differs, what that means, and edits."""
