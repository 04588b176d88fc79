"""The words of report.html around the verdict, by key: English, Chinese."""
# ruff: noqa: RUF001  (full-width punctuation is Chinese, not a slip)

REPORT = {
    "title": ("Proof of capacity", "容量证明"),
    "subtitle": ("Time-stamp service (RFC 3161), load test of {date}", "时间戳服务（RFC 3161）负载测试，{date}"),
    "service": ("Service under test", "被测服务"),
    "licences": ("Licences", "许可数"),
    "licences value": (
        "{licences:,} × {each:,} stamps/hour = {hour:,} stamps/hour",
        "{licences:,} × 每小时 {each:,} 个 = 每小时 {hour:,} 个时间戳",
    ),
    "started": ("Started (UTC)", "开始时间（UTC）"),
    "length": ("Length at the licensed rate", "许可速率持续时间"),
    "seconds": ("{seconds:,.0f} s", "{seconds:,.0f} 秒"),
    "why": ("Why", "理由"),
    "why more": ("… and {more:,} more in verdict.json.", "……另有 {more:,} 条，见 verdict.json。"),
    "objectives": ("Objectives", "目标"),
    "objective": ("Objective", "目标"),
    "wanted": ("Wanted", "要求"),
    "found": ("Found", "实测"),
    "result": ("Result", "结果"),
    "figures": ("What was measured", "测量结果"),
    "plot rate": ("Stamps a second, asked for and granted", "每秒请求数与签发数"),
    "plot rate reads": (
        "The blue area is what was asked for; the orange line, what was granted, should run along its top. The dashed"
        " line is the licensed rate. Seconds since the start.",
        "蓝色区域为请求数；橙线为实际签发，应与其上沿重合；虚线为许可速率。横轴：开始后的秒数。",
    ),
    "plot latency": ("How long an answer took, ms", "响应时间（毫秒）"),
    "plot latency reads": (
        "Each point is one interval: half of its answers were at or below the blue line, 99 of 100 at or below the"
        " orange one. The dashed line is the objective. Counted from the scheduled moment, so waiting is never hidden.",
        "蓝线：该时段一半的响应不超过此值；橙线：100 个中 99 个不超过此值；虚线：目标。"
        "自计划时刻起计，等待时间不会被掩盖。",
    ),
    "plot spread": ("Share of answers slower than …, ms", "慢于某时长的响应占比（横轴：毫秒）"),
    "plot spread reads": (
        "Read upwards from a time to see how many answers of the steady phase took longer. The dashed lines meet at the"
        " objective: 1 % beyond {limit:,.0f} ms.",
        "由横轴某一时长向上读，即为稳态阶段中更慢响应的占比。两条虚线相交处为目标：超过 {limit:,.0f} 毫秒的占 1 %。",
    ),
    "plot quota": ("Stamps used of the licences, by window", "各窗口许可用量"),
    "plot quota reads": (
        "Used stamps of each window of {window:,} s, from the genTime of the tokens; the dashed line is the quota of"
        " {capacity:,}, which no bar may cross.",
        "每个 {window:,} 秒窗口的用量，以令牌的 genTime 为准；虚线为配额 {capacity:,} 个，任何柱不得越过。",
    ),
    "plot refusals": ("Refusals, by kind", "各类拒绝"),
    "plot refusals reads": (
        "Blue were due: requests made wrong on purpose, and requests beyond the quota. Orange were not due.",
        "蓝色为应有的拒绝：故意出错的请求及超出配额的请求；橙色为不应有的。",
    ),
    "no refusals": ("There were none.", "没有。"),
    "phases": ("Course of the test", "测试过程"),
    "phase": ("Phase", "阶段"),
    "from to": ("From – to, s", "起止（秒）"),
    "requests planned": ("Planned", "计划"),
    "requests sent": ("Sent", "发出"),
    "requests granted": ("Granted", "签发"),
    "phase warm-up": ("warm-up", "预热"),
    "phase steady": ("steady: the licensed rate", "稳态：许可速率"),
    "phase burst": ("burst: the rest of the quota, as fast as it goes", "突发：以最快速度用尽余下配额"),
    "phase edge": ("edge: beyond the quota", "边界：超出配额"),
    "phase recovery": ("recovery: the next window", "恢复：下一窗口"),
    "left out": ("What was not done", "未进行的项目"),
    "nothing left out": ("Nothing was left out.", "没有遗漏。"),
    "proof": ("How good the measurement is", "测量质量"),
    "health cpu": ("Load generator, busiest second", "压测端最忙的一秒"),
    "health cpu value": ("{cpu:.0%} of a core", "占一个核的 {cpu:.0%}"),
    "health late": ("Load generator, latest wake-up", "压测端最大唤醒延迟"),
    "milliseconds": ("{ms:,.1f} ms", "{ms:,.1f} 毫秒"),
    "spoiled seconds": ("Seconds not held against the server", "不计入服务端的秒数"),
    "beside": ("Counted by Locust, beside", "Locust 旁证计数"),
    "beside value": (
        "{requests:,.0f} requests, {failures:,.0f} failures",
        "{requests:,.0f} 个请求，{failures:,.0f} 个失败",
    ),
    "host": ("Machine of the load generator", "压测端机器"),
    "versions": ("Versions", "版本"),
    "command": ("Command", "命令"),
    "configuration": ("Configuration", "配置"),
    "records": ("Records", "原始记录"),
    "records reads": (
        "The raw records lie beside this report. Their SHA-256 stands here, so the report's time-stamp covers them.",
        "原始记录与本报告放在一起，其 SHA-256 列于此，故本报告的时间戳亦涵盖它们。",
    ),
    "time-stamp": ("Time-stamp of this report", "本报告的时间戳"),
    "time-stamp reads": (
        "This file, octet for octet, was time-stamped by the service under test; the token is report.html.tsr. Whoever"
        " has the file, the token and the root certificate (ca.pem of the service) can prove that nothing was changed"
        " since, with either of:",
        "本文件由被测服务逐字节加盖时间戳，令牌为 report.html.tsr。持有本文件、令牌及根证书（该服务的 ca.pem）者，"
        "可用以下任一命令证明此后未作任何改动：",
    ),
    "signatures": ("Signatures", "签署"),
    "operator": ("For the operator", "运营方"),
    "customer": ("For the customer", "客户方"),
    "name date": ("Name, date, signature", "姓名、日期、签字"),
}
