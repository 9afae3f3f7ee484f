"""Real processes killed at random moments: nothing finished is lost, nothing half-written is read as whole."""

import random
from collections import Counter
from pathlib import Path

from endurance.trials import MOMENTS, WAYS, Watch, await_moment, command, gone, start, table

KILLS = 50


def test_fifty_kills_end_in_the_undisturbed_table(
    undisturbed: tuple[str, dict[str, str]], tiny_release: Path, tmp_path: Path
) -> None:
    report, expected = undisturbed
    rng = random.Random(20220523)
    kills: Counter[tuple[str, str]] = Counter()
    statuses: Counter[int | None] = Counter()
    series = commands = 0
    while sum(kills.values()) < KILLS:
        series += 1
        watch = Watch(tmp_path / str(series), expected)
        watch.folder.mkdir()
        words = command(tiny_release, watch.folder, "--checkpoint-every", rng.choice(["0", "0.3"]))
        for moment in rng.sample(list(MOMENTS), rng.randint(1, len(MOMENTS))):
            commands += 1
            process = start(words)
            way = rng.choice(list(WAYS))
            killed = await_moment(process, watch.folder, moment, rng)
            if killed:
                send, number = WAYS[way]
                send(process, number, rng)
                kills[way, moment] += 1
            _, err = process.communicate(timeout=120)
            statuses[process.returncode] += killed
            assert "Traceback" not in err, (way, moment, err)
            assert gone(process.pid), (way, moment)
            watch.check()
        commands += 1
        process = start(words)
        out, err = process.communicate(timeout=300)
        assert process.returncode == 0, err
        assert table(out) == report
        watch.at_the_end()
    print(f"\n{sum(kills.values())} kills of {commands} commands in {series} folders, statuses {dict(statuses)}")
    print("by signal:", dict(Counter(way for way, _ in kills.elements())))
    print("by moment:", dict(Counter(moment for _, moment in kills.elements())))
