import LatchNode
import Testing

@testable import StatusSite

@Suite("Metrics: the text format")
struct ExpositionTests {
    @Test("a family is HELP, TYPE and its samples")
    func family() {
        var page = Exposition()
        page.counter("x_total", "Things.", UInt64(3))
        page.gauges("y", "Others.", [(["peer": "2", "kind": "a"], 0.5)])
        #expect(
            page.text == """
                # HELP x_total Things.
                # TYPE x_total counter
                x_total 3
                # HELP y Others.
                # TYPE y gauge
                y{peer="2",kind="a"} 0.5

                """)
    }

    @Test(
        "labels escape backslash, quote and line feed",
        arguments: [("a\\b", #"a\\b"#), ("a\"b", #"a\"b"#), ("a\nb", #"a\nb"#), ("ü", "ü")])
    func labels(raw: String, escaped: String) {
        #expect(Exposition.escaped(raw, quotes: true) == escaped)
    }

    @Test("help texts keep their quotes")
    func help() { #expect(Exposition.escaped("a\"b\\\n", quotes: false) == #"a"b\\\n"#) }

    @Test(
        "numbers are written as the format reads them",
        arguments: [(1.0, "1"), (0.25, "0.25"), (.infinity, "+Inf"), (-.infinity, "-Inf")])
    func numbers(value: Double, text: String) { #expect(Exposition.number(value) == text) }

    @Test("buckets are cumulated and end with +Inf, the count")
    func buckets() {
        var histogram = Histogram(bounds: [1_000, 2_000])
        for value: UInt64 in [1_000, 1_500, 9_000] { histogram.record(value) }
        var page = Exposition()
        page.histogram("h_seconds", "Times.", histogram, unit: 1e3)
        #expect(
            page.text.split(separator: "\n").dropFirst(2) == [
                "h_seconds_bucket{le=\"1\"} 1", "h_seconds_bucket{le=\"2\"} 2",
                "h_seconds_bucket{le=\"+Inf\"} 3", "h_seconds_sum 11.5", "h_seconds_count 3",
            ])
    }

    @Test("a quantile is the bound of its bucket, and never more than the largest value")
    func quantiles() {
        var histogram = Histogram(bounds: [10, 20, 30])
        #expect(histogram.quantile(0.5) == nil)
        for value: UInt64 in [5, 15, 25] { histogram.record(value) }
        #expect(histogram.quantile(0.5) == 20)
        #expect(histogram.quantile(0.99) == 25)
        histogram.record(99)
        #expect(histogram.quantile(1) == 99)
    }
}
