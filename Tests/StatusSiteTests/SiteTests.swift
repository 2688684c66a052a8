import Foundation
import LatchMachine
import LatchNode
import Testing
import Yams

@testable import StatusSite

@Suite("Status site: a real node", .serialized)
struct SiteTests {
    static let monitoring = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        .appendingPathComponent("Config/monitoring")

    /// The metrics that a file of rules or panels names, histograms' suffixes cut off.
    private func names(in file: String) throws -> Set<String> {
        let text = try String(
            contentsOf: Self.monitoring.appendingPathComponent(file), encoding: .utf8)
        let words = text.matches(of: /(latchd|process)_[a-z0-9_]+/).map { String($0.output.0) }
        return Set(words.map { $0.replacing(/_bucket$/, with: "") })
    }

    private func sample(_ line: String, in page: String) -> Double? {
        page.split(separator: "\n").first { $0.hasPrefix(line + " ") }
            .flatMap { Double($0.dropFirst(line.count + 1)) }
    }

    @Test("every metric that the dashboard and the alerts name is one of a running node's")
    func metrics() async throws {
        let nodes = try await RealNode.start(1)
        try await nodes[0].becomes(200)
        let answer = try await nodes[0].get("/metrics")
        #expect(answer.head.contains("text/plain; version=0.0.4"))
        let types = Set(
            answer.body.split(separator: "\n").filter { $0.hasPrefix("# TYPE ") }
                .map { String($0.split(separator: " ")[2]) })
        for file in ["alerts.yaml", "grafana-dashboard.json"] {
            let named = try names(in: file)
            #expect(named.count > 5)
            #expect(named.subtracting(types) == [], "in \(file)")
        }
        #expect(sample("latchd_raft_role{role=\"leader\"}", in: answer.body) == 1)
        #expect((sample("latchd_persist_duration_seconds_count", in: answer.body) ?? 0) > 0)
        let age =
            Date().timeIntervalSince1970
            - (sample("process_start_time_seconds", in: answer.body) ?? 0)
        #expect((0...60).contains(age))
        await nodes[0].stop()
    }

    @Test("with two of three nodes gone, the alert for no quorum fires, and /readyz says why")
    func noQuorum() async throws {
        let nodes = try await RealNode.start(3)
        for node in nodes { try await node.becomes(200) }
        let rules = try String(
            contentsOf: Self.monitoring.appendingPathComponent("alerts.yaml"), encoding: .utf8)
        // What the test works out by hand below is what the rule says.
        let rule =
            #"max by (job, cluster) (latchd_check_passing{job="latchd", check="quorum"}) == 0"#
        #expect(rules.contains(rule))
        let passing = "latchd_check_passing{check=\"quorum\"}"
        var values: [Double] = []
        for node in nodes {
            values += [sample(passing, in: try await node.get("/metrics").body) ?? -1]
        }
        #expect(values == [1, 1, 1])
        await nodes[1].stop()
        await nodes[2].stop()
        try await nodes[0].becomes(503)
        #expect(sample(passing, in: try await nodes[0].get("/metrics").body) == 0)
        let verbose = try await nodes[0].get("/readyz?verbose").body
        #expect(verbose.contains("[+]alive"))
        #expect(verbose.contains("[-]quorum"))
        #expect(try await nodes[0].get("/livez").status == 200)
        await nodes[0].stop()
    }

    @Test("hostile names leave as JSON, searched and paged; the page forbids foreign scripts")
    func hostileNames() async throws {
        let nodes = try await RealNode.start(1)
        let node = nodes[0]
        try await node.becomes(200)
        let evil = "</script><img src=x onerror=alert(1)>\"\\\n"
        for name in [evil, "plain-1", "plain-2"] {
            let primitive = PrimitiveName(namespace: "", name: name)
            let opened = await node.apply(.openSession(primitive, timeoutMilliseconds: 60_000))
            guard case .answer(.sessionOpened(let session), _) = opened else {
                Issue.record("no session: \(opened)")
                continue
            }
            _ = await node.apply(
                .latch(primitive, session, requestID: 1, participant: "<b>\(name)"))
        }
        let all = try await node.get("/api/latches?limit=2")
        #expect(all.head.contains("application/json"))
        let first = try JSONDecoder().decode(LatchPage.self, from: Data(all.body.utf8))
        #expect(first.latches.map(\.name) == [evil, "plain-1"])
        let after = try #require(
            first.next?.addingPercentEncoding(withAllowedCharacters: .alphanumerics))
        let rest = try JSONDecoder().decode(
            LatchPage.self, from: Data(try await node.get("/api/latches?after=\(after)").body.utf8))
        #expect(rest.latches.map(\.name) == ["plain-2"])
        #expect(rest.next == nil)
        let found = try JSONDecoder().decode(
            LatchPage.self, from: Data(try await node.get("/api/latches?q=PLAIN-2").body.utf8))
        #expect(found.latches.map(\.holder) == ["<b>plain-2"])
        let detail = try JSONDecoder().decode(
            LatchDetail.self,
            from: Data(try await node.get("/api/latch?namespace=&name=plain-1").body.utf8))
        #expect(detail.terms.map(\.began.cause) == ["joined"])
        let page = try await node.get("/")
        #expect(page.head.contains("script-src 'self'"))
        #expect(page.head.contains("default-src 'none'"))
        let overview = try await node.overview { view in
            view.events.contains { $0.name == "plain-2" }
        }
        #expect(overview.events.contains { $0.name == evil && $0.cause == "joined" })
        #expect(overview.members.first?.node?.role == "leader")
        await node.stop()
    }

    @Test("the page's files name no other site, and its script makes no markup from text")
    func pageFiles() {
        let files = [
            PackageResources.index_html, PackageResources.page_css, PackageResources.page_js,
        ]
        .map { String(decoding: $0, as: UTF8.self) }
        for file in files {
            let links = file.replacing("http://www.w3.org/2000/svg", with: "")
            #expect(!links.contains("http:") && !links.contains("https:"))
            for word in ["innerHTML", "outerHTML", "insertAdjacent", "document.write", "eval("] {
                #expect(!file.contains(word))
            }
        }
    }
}
