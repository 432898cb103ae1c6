"""What the printed text of a run says about its progress and its numbers, folded as it comes. Standard library only."""
