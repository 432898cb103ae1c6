"""A project on another machine, reached by ssh: where it is, what is typed for the user, and what ssh's ends mean."""
