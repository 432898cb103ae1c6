"""What is asked of one kernel, whatever session it belongs to."""
