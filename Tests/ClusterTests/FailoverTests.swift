import Testing

/// Tests that break clusters of their own. One after another: each needs the machine's two cores.
@Suite("Failover with real processes", .serialized)
enum FailoverTests {}
