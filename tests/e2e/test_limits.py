"""A server that may open few files, as `ulimit -n` says on many machines."""

from __future__ import annotations

from tests.project import Project, text_of

LIMITED = ["sh", "-c", 'ulimit -n 100; exec "$0" "$@"']


async def test_a_kernel_too_many_is_refused_with_what_to_do_and_the_sessions_before_go_on(
    project: Project,
) -> None:
    started = project.run("start", "--detach", within=LIMITED)
    assert started.returncode == 0, started.stderr
    async with project.client() as agent:
        first = await agent.session()
        for _ in range(20):
            answer = await agent.call("start_new_session")
            if answer.is_error:
                break
        assert "no file descriptors left for another kernel" in text_of(answer)
        assert "start it from a shell with a higher `ulimit -n`" in text_of(answer)
        assert (await agent.text("execute_code", session_id=first, code="1 + 1")).startswith("2\n")
        assert (await agent.record("check_resources"))["memory"]["total_mb"]
