import Testing

@testable import LatchClient
@testable import latchctl

@Suite("What latchctl paints")
struct PaintTests {
    private let paint = Paint(isOn: true)

    private func green(_ text: String) -> String { "\u{1B}[32m\(text)\u{1B}[0m" }
    private func yellow(_ text: String) -> String { "\u{1B}[33m\(text)\u{1B}[0m" }
    private func red(_ text: String) -> String { "\u{1B}[31m\(text)\u{1B}[0m" }

    /// The text without its colours.
    private func bare(_ text: String) -> String {
        text.replacing(#/\u{1B}\[[0-9]+m/#, with: "")
    }

    private func latch(_ participants: [String]) -> LatchInfo {
        LatchInfo(
            namespace: "n", name: "job", term: 3, holder: participants.first,
            participants: participants, fencingToken: 42, sessionIDs: [11, 12], index: 9)
    }

    @Test("columns are as wide as without colours, to both sides")
    func table() {
        var table = Table([("N", .right), ("NAME", .left), ("NOTE", .left)])
        table.add(["1", "a", "x"], tones: [0: .good, 1: .bad])
        table.add(["200", "longer", ""], tones: [1: .doubtful, 2: .good])
        let text = table.rendered(paint)
        #expect(bare(text) == table.rendered())
        let lines = text.split(separator: "\n")
        #expect(lines[1] == "  \(green("1"))  \(red("a"))       x")
        #expect(lines[2] == "200  \(yellow("longer"))")
    }

    @Test("a name brings no colour of its own")
    func names() {
        var table = Table([("NAME", .left)])
        table.add(["\u{1B}[31mred"], tones: [0: .good])
        #expect(table.rendered(paint) == "NAME\n" + green("\\u{1b}[31mred"))
    }

    @Test("status: what is well is green, who is behind yellow, who is silent red")
    func status() {
        let status = Sample.status([
            Sample.node(1, role: .leader, heard: [2: .milliseconds(12)]),
            Sample.node(2, leader: nil),
        ])
        let text = statusText(status, paint)
        #expect(bare(text) == statusText(status))
        let lines = text.split(separator: "\n")
        #expect(lines[0].hasPrefix("\u{1B}[32mCluster test: node 1 leads"), "\(text)")
        #expect(lines[2].hasSuffix(green("ready")), "\(text)")
        #expect(lines[3].hasSuffix(yellow("not ready: knows no leader")), "\(text)")
        #expect(lines[4].contains("\u{1B}[31mUNREACHABLE"), "\(text)")
        let lost = statusText(Sample.status([Sample.node(1, leader: nil)]), paint)
        #expect(lost.contains("\u{1B}[31mCluster test: NO LEADER"), "\(lost)")
    }

    @Test("list, queue and watch: who holds is green, a watched latch without a holder yellow")
    func latches() {
        let list = listText([latch(["a", "b"]), latch([])], paint)
        #expect(list.contains(green("a")) && !list.contains(green("-")), "\(list)")
        let queue = queueText(latch(["a", "b"]), paint)
        #expect(queue.contains(green("holds, token 42")) && !queue.contains(green("waits")))
        #expect(watchText(latch(["a"]), paint).contains("token 42  \(green("held by a"))  nobody"))
        #expect(watchText(latch([]), paint) == "term 3  " + yellow("nobody holds it"))
    }

    @Test("doctor: ok, WARN, BAD and a node without an answer")
    func doctor() {
        var report = DoctorReport(ttl: .seconds(1))
        report.nodes = [DoctorReport.Node(address: "n1:1", spread: nil, failure: "refused")]
        report.write = Spread([.milliseconds(10)])
        report.disk = Spread([.milliseconds(80)])
        let diagnosis = Diagnosis(ttl: report.ttl, renewal: report.write, disk: report.disk)
        let text = doctorText(report, diagnosis, paint)
        #expect(bare(text) == doctorText(report, diagnosis))
        #expect(text.contains("node n1:1  " + red("NO ANSWER: refused")), "\(text)")
        #expect(text.contains(green("ok  ") + " a renewal"), "\(text)")
        #expect(text.contains(yellow("WARN") + " an election"), "\(text)")
        #expect(text.contains(red("BAD ") + " fsync"), "\(text)")
    }

    @Test("what the holder published is shown where it is one")
    func published() throws {
        let latch = LatchInfo(
            namespace: "n", name: "job", term: 3, holder: "a", participants: ["a"],
            fencingToken: 42, value: "10.0.0.1:80\n", index: 9)
        #expect(latchText(latch).contains("value      10.0.0.1:80\\n"))
        #expect(watchText(latch).hasSuffix("nobody waits  published: 10.0.0.1:80\\n"))
        #expect(try json(LatchJSON(latch), pretty: false).contains(#""value":"10.0.0.1:80\n""#))
        #expect(!latchText(self.latch(["a"])).contains("value"))
    }
}
