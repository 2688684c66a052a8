import Testing

@testable import latchd

@Suite("Exit statuses")
struct ExitStatusTests {
    @Test("the numbers are promised to service managers and never change")
    func numbers() {
        #expect(ExitStatus.allCases.map(\.rawValue) == [0, 64, 65, 66, 69, 70, 71, 73, 74, 75, 78])
    }

    @Test("a failure to start reads as its message")
    func message() {
        let failure = StartFailure(.noData, "the directory /x is missing")
        #expect("\(failure)" == "the directory /x is missing")
        #expect(failure.status == .noData)
    }
}
