"""Every word of the verdict and of its report, in English and Chinese; report_words has those of the report alone."""
# ruff: noqa: RUF001  (full-width punctuation is Chinese, not a slip)

from __future__ import annotations

from dataclasses import dataclass

from bench.capacity.report_words import REPORT


@dataclass(frozen=True)
class Text:
    """A text in both languages; as a string it is English."""

    en: str
    zh: str

    def __str__(self) -> str:
        return self.en


def say(key: str, **figures: object) -> Text:
    """The text under a key of WORDS, with its figures filled in, a Text in its own language.

    KeyError where there is no such key.
    """
    en, zh = WORDS[key]
    of = {
        name: (figure.en, figure.zh) if isinstance(figure, Text) else (figure,) * 2 for name, figure in figures.items()
    }
    in_en, in_zh = ({name: both[at] for name, both in of.items()} for at in (0, 1))
    return Text(en.format(**in_en), zh.format(**in_zh))


def same(text: object) -> Text:
    """A text that is the same in both languages, or comes from elsewhere."""
    return Text(str(text), str(text))


def of_note(note: str) -> Text:
    """A note of a part left out: a key of WORDS in both languages, any other sentence as it is."""
    return say(note) if note in WORDS else same(note)


VERDICT = {
    "pass": ("PASS", "通过"),
    "fail": ("FAIL", "未通过"),
    "void": ("VOID", "无效"),
    "pass means": (
        "In this test the licensed capacity was there in full, and every objective that was put to the test was met.",
        "本次测试中，所购许可的容量全部兑现，凡经测试的目标均已达到。",
    ),
    "fail means": (
        "In this test the service missed at least one objective. What was missed is said below.",
        "本次测试中，服务至少有一项目标未达到，具体如下。",
    ),
    "void means": (
        "This test proves nothing, for or against: the measurement itself was disturbed. It has to be repeated.",
        "本次测试的测量过程受到干扰，既不能证明达标，也不能证明不达标，须重新测试。",
    ),
}

OBJECTIVES = {
    "rate": ("Licensed rate, throughout", "全程达到许可速率"),
    "rate wanted": (
        "{due:,} stamps in {seconds:,.0f} s ({rate:,.2f} a second)",
        "{seconds:,.0f} 秒内 {due:,} 个时间戳（每秒 {rate:,.2f} 个）",
    ),
    "rate found": ("{granted:,} of {planned:,} granted in time", "请求 {planned:,} 个，及时签发 {granted:,} 个"),
    "latency": ("Answered quickly", "响应迅速"),
    "latency wanted": ("99 of 100 answers within {limit:,.0f} ms", "每 100 个响应中有 99 个不超过 {limit:,.0f} 毫秒"),
    "latency found": ("within {p99:,.1f} ms", "不超过 {p99:,.1f} 毫秒"),
    "latency none": ("no answers to judge", "没有可供判定的响应"),
    "tokens": ("Wrong tokens", "错误的时间戳令牌"),
    "tokens found": (
        "{wrong:,} of {tokens:,}; {verified:,} verified in full",
        "共 {tokens:,} 个，错误 {wrong:,} 个；完整验证 {verified:,} 个",
    ),
    "answers": ("Refusals and answers that were not due", "不应有的拒绝或应答"),
    "answers found": ("{unexpected:,} of {requests:,}", "共 {requests:,} 个，不应有的 {unexpected:,} 个"),
    "quota": ("Quota exact to the stamp", "配额精确到每一个时间戳"),
    "quota wanted": (
        "{capacity:,} in a window of {window:,} s, then refused",
        "每个 {window:,} 秒窗口 {capacity:,} 个，其后拒绝",
    ),
    "quota found": ("{granted:,} granted, {refused:,} then refused", "签发 {granted:,} 个，其后拒绝 {refused:,} 个"),
    "recovery": ("Granted again in the next window", "下一窗口恢复签发"),
    "recovery wanted": ("every request", "全部请求"),
    "recovery found": ("{granted:,} of {requests:,}", "{requests:,} 个中的 {granted:,} 个"),
    "met": ("met", "达到"),
    "missed": ("missed", "未达到"),
    "not judged": ("not judged", "未判定"),
    "not done": ("not done", "未进行"),
}

FAILS = {
    "rate missed": (
        "The licensed rate of {wanted:,.2f} stamps/s was not kept: {found:,.2f} stamps/s, {missed:,} requests were not"
        " granted in time.",
        "未能保持许可速率：应为每秒 {wanted:,.2f} 个，实为每秒 {found:,.2f} 个，有 {missed:,} 个请求未及时签发。",
    ),
    "latency missed": (
        "99 of 100 answers were to come within {limit:,.0f} ms; it took {p99:,.1f} ms ({slow:,} of {count:,} were"
        " slower than {limit:,.0f} ms).",
        "每 100 个响应中应有 99 个不超过 {limit:,.0f} 毫秒，实为 {p99:,.1f} 毫秒（{count:,} 个中有 {slow:,} 个超过"
        " {limit:,.0f} 毫秒）。",
    ),
    "tokens missed": (
        "No token may be wrong; {wrong:,} of {tokens:,} were: {kinds}.",
        "不得有错误的令牌；{tokens:,} 个中有 {wrong:,} 个错误：{kinds}。",
    ),
    "answers missed": (
        "Every request was to get its due answer; {unexpected:,} of {requests:,} did not: {kinds}.",
        "每个请求均应得到应有的应答；{requests:,} 个中有 {unexpected:,} 个没有：{kinds}。",
    ),
    "quota too many": (
        "The licences give {capacity:,} stamps in a window of {window:,} s; {granted:,} were granted in one:"
        " {more:,} too many.",
        "许可在每个 {window:,} 秒窗口内为 {capacity:,} 个时间戳；某窗口签发了 {granted:,} 个，多 {more:,} 个。",
    ),
    "quota too few": (
        "The licences give {capacity:,} stamps in a window of {window:,} s; it was refused (HTTP 429) after"
        " {granted:,}: {fewer:,} too few.",
        "许可在每个 {window:,} 秒窗口内为 {capacity:,} 个时间戳；签发 {granted:,} 个后即被拒绝（HTTP 429），"
        "少 {fewer:,} 个。",
    ),
    "recovery missed": (
        "All {requests:,} requests in the window after the exhausted one were to be granted; {granted:,} were.",
        "配额用尽后的下一窗口，{requests:,} 个请求应全部签发；实签发 {granted:,} 个。",
    ),
}

VOIDS = {
    "steady missing": (
        "The steady phase was to last {wanted:,.0f} s; it lasted {found:,.0f} s.",
        "稳态阶段应持续 {wanted:,.0f} 秒，实为 {found:,.0f} 秒。",
    ),
    "schedule short": (
        "The licensed rate makes {wanted:,} requests in the steady phase; the schedule had {found:,}.",
        "按许可速率，稳态阶段应有 {wanted:,} 个请求；计划中只有 {found:,} 个。",
    ),
    "unsent": (
        "Every planned request was to be sent; in the phase “{phase}”, {found:,} of {wanted:,} were sent in the time"
        " that there was for it.",
        "计划中的请求应全部发出；在“{phase}”阶段的限定时间内，{wanted:,} 个中只发出 {found:,} 个。",
    ),
    "records missing": (
        "Every request that was sent was to be recorded; in the phase “{phase}”, {found:,} of {wanted:,} are.",
        "发出的请求应全部记录在案；“{phase}”阶段 {wanted:,} 个中只有 {found:,} 个。",
    ),
    "watch missing": (
        "The load generator's health and the clock were to be watched throughout; of {wanted:,} s there are readings of"
        " {health:,} and {clock:,}.",
        "压测端状态与时钟应全程监测；{wanted:,} 秒中分别有 {health:,} 秒和 {clock:,} 秒的读数。",
    ),
    "generator late": (
        "At least 99 % of the requests were to leave on time; {late:,} of {requests:,} left over {limit:,.0f} ms late"
        " while the load generator itself was short of CPU.",
        "至少 99 % 的请求应按时发出；{requests:,} 个中有 {late:,} 个因压测端自身处理器不足而晚发"
        "超过 {limit:,.0f} 毫秒。",
    ),
    "generator busy": (
        "The load generator was to have CPU to spare; in {found:,} of {seconds:,} s one of its processes used over"
        " {limit:.0%} of a core.",
        "压测端的处理器应有余量；{seconds:,} 秒中有 {found:,} 秒，其某一进程占用超过一个核的 {limit:.0%}。",
    ),
    "spoiled": (
        "“{objective}” was not met, but only in seconds in which the load generator itself was short of CPU"
        " ({spoiled:,} s): that cannot be held against the server.",
        "“{objective}”未达到，但仅发生在压测端自身处理器不足的时段（共 {spoiled:,} 秒），不能归咎于服务端。",
    ),
    "clock jumped": (
        "The clock was to run evenly; it jumped by {jump:,.3f} s, {at:,.0f} s after the start.",
        "时钟应平稳运行；开始后 {at:,.0f} 秒，时钟跳变 {jump:,.3f} 秒。",
    ),
    "clocks apart": (
        "The clocks of server and load generator were to be at most {limit:,.0f} s apart; half of the tokens have a"
        " genTime that is {apart:,.1f} s off the generator's clock, or more: one of the two clocks is wrong.",
        "服务端与压测端的时钟相差不应超过 {limit:,.0f} 秒；半数令牌的 genTime 与压测端时钟至少相差 {apart:,.1f} 秒，"
        "两者必有一误。",
    ),
    "restarted": (
        "The same server was to answer throughout; it was restarted {times:,} times, first seen {at:,.0f} s after"
        " the start.",
        "全程应由同一服务进程应答；其间重启 {times:,} 次，首次见于开始后 {at:,.0f} 秒。",
    ),
    "locust disagrees": (
        "Locust's own statistics were to agree with the records; Locust has {what} = {theirs:,.0f}, the records have"
        " {ours:,.0f}.",
        "Locust 自身的统计应与记录一致；{what}：Locust 为 {theirs:,.0f}，记录为 {ours:,.0f}。",
    ),
    "too few": (
        "A 99th percentile takes at least {wanted:,} answers; the steady phase has {found:,}.",
        "计算第 99 百分位数至少需要 {wanted:,} 个响应；稳态阶段只有 {found:,} 个。",
    ),
    "none verified": (
        "Some tokens were to be verified in full; of {tokens:,} none was.",
        "应完整验证一部分令牌；{tokens:,} 个中没有一个得到完整验证。",
    ),
    "edge unclear": (
        "The quota was to be used up within one window; {granted:,} of {capacity:,} stamps are known to be granted in"
        " it, and {refused:,} of {asked:,} requests beyond it were refused.",
        "配额应在同一窗口内用尽；已知该窗口签发 {granted:,} 个（配额 {capacity:,} 个），"
        "超额请求 {asked:,} 个中拒绝 {refused:,} 个。",
    ),
}

NOT_DONE = {
    "not done: live quota": (
        "Burst, edge and recovery: the stamps of a customer's window are not used up unless --exhaust asks for it.",
        "突发、边界与恢复：除非指定 --exhaust，否则不会用尽客户窗口内的时间戳。",
    ),
    "not done: edge": (
        "Edge and recovery: the window ended before its stamps were used up; take more generators (--processes) or a"
        " longer window (--window).",
        "边界与恢复：窗口结束时其时间戳尚未用尽；请增加压测进程（--processes）或加长窗口（--window）。",
    ),
    "not done: recovery": (
        "Recovery: the window ended before all requests beyond its quota were sent.",
        "恢复：超额请求尚未发完，窗口即已结束。",
    ),
    "not done: phase": (
        "The remaining phases: a generator process did not end its phase in time.",
        "其余阶段：某一压测进程未按时结束其阶段。",
    ),
    "not done: restart": (
        "Whether the server was restarted meanwhile: it has no /metrics that tells.",
        "其间服务是否重启：该服务没有可供判断的 /metrics。",
    ),
    "not done: sole": (
        "Whether the quota is exact: how many of its stamps others had is not known here; it was not exceeded.",
        "配额是否精确：此处无从得知他人已用多少，只能判定没有超出。",
    ),
    "not done: time-stamp": (
        "This report's own time-stamp: the authority under test did not give one.",
        "本报告自身的时间戳：被测服务未签发。",
    ),
}

WORDS: dict[str, tuple[str, str]] = {**VERDICT, **OBJECTIVES, **FAILS, **VOIDS, **NOT_DONE, **REPORT}
