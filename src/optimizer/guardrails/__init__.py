"""What is allowed now. Every rule here only removes variants; none can add one."""
