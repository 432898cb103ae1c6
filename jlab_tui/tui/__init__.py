"""Front end for people: the Textual dashboard."""
