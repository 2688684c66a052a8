import Testing

@testable import StatusSite

@Suite("Health")
struct HealthTests {
    private let settings = SiteSettings(host: "", port: 0, cluster: "", version: "")

    @Test("a node that does not answer fails every check, and says the bound")
    func dead() {
        let health = Health(nil, members: 3, settings: settings)
        #expect(!health.passes)
        #expect(health.failing == [.alive, .ready, .quorum, .progress])
        #expect(health.text(verbose: false).contains("did not answer within 1000 ms"))
    }
}
