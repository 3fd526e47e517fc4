"""The report of a run: every single figure, and the medians with their spread."""

import statistics


class Report:
    """Figures by row and peer; each row compares its first peer with the others."""

    def __init__(self, facts):
        self.facts = facts
        self.rows = {}

    def add(self, row, peer, figure, **more):
        """Add the figure of one round, higher is better, with what else was measured in that round."""
        self.rows.setdefault(row, {}).setdefault(peer, []).append({"figure": figure, **more})

    def raw(self):
        return {"facts": self.facts, "rows": self.rows}

    def text(self):
        lines = [f"{name}: {value}" for name, value in self.facts.items()]
        for row, peers in self.rows.items():
            lines += ["", row, f"  {'':32} {'median':>10} {'least':>10} {'most':>10}  {'ratio':>6}  other medians"]
            # The ratio is the median of the rounds' ratios: both figures of a round come from the same minute.
            first = next(iter(peers.values()))
            for peer, rounds in peers.items():
                figures = [entry["figure"] for entry in rounds]
                ratio = statistics.median(ours["figure"] / other["figure"] for ours, other in zip(first, rounds))
                others = [name for name in rounds[0] if name != "figure"]
                more = ", ".join(
                    f"{name} {statistics.median(entry[name] for entry in rounds):.1f}" for name in others
                )
                lines.append(
                    f"  {peer:32} {statistics.median(figures):>10.1f} {min(figures):>10.1f} {max(figures):>10.1f}"
                    f"  {ratio:>6.2f}  {more}"
                )
        return "\n".join(lines) + "\n"
