def run_demo(env, tui):
    return 1
