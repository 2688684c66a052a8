import GRPCCore
import LatchAPI
import SwiftProtobuf
import Synchronization

/// Observes one latch through one node after the other, for ever.
struct Observer: Sendable {
    let calls: Calls
    let name: LatchName
    /// How often a node gives a sign of life.
    let heartbeat: Duration
    /// The newest token that the reader knows from before; 0: none.
    let afterToken: UInt64
    /// Takes what is seen.
    let onObservation: @Sendable (LatchObservation) -> Void
    /// Takes why another node is asked.
    let onInterruption: @Sendable (LatchError) -> Void

    private enum End: Sendable {
        case broken(LatchError.Code, String)
        case failed(LatchError)
    }

    /// Runs until the task is cancelled.
    /// - Throws: ``LatchError`` if nothing could be seen within ``LatchSettings/timeout``, or a
    ///   node says that it never will. Once something was seen everything that may pass is waited
    ///   for.
    func run() async throws {
        let place = SharedPlace(ObserverPlace(afterToken: afterToken))
        let start = ContinuousClock.now
        var log = AttemptLog()
        var hasBegun = false
        var pace = StreamPace(calls.settings)
        while !Task.isCancelled {
            let endpoint = calls.order()[0]
            let wasHeard = LockedFlag()
            let began = ContinuousClock.now
            let end = await carry(at: endpoint, place) { wasHeard.set() }
            if Task.isCancelled { return }
            hasBegun = hasBegun || wasHeard.isSet
            pace.noteEnd(wasHeard: wasHeard.isSet, lasted: began.duration(to: .now))
            switch end {
            case .failed(let error): throw error
            case .broken(let code, let reason):
                calls.note(endpoint, failed: true)
                log.record(endpoint, code, reason)
                guard hasBegun else {
                    let elapsed = ContinuousClock.now - start
                    guard elapsed < calls.settings.timeout else {
                        throw log.summary(after: elapsed)
                    }
                    break
                }
                if pace.failures == 1 {
                    let attempt = LatchError.Attempt(endpoint: endpoint, reason: reason)
                    onInterruption(LatchError(code, "the stream broke", attempts: [attempt]))
                }
            }
            guard let pause = pace.pause else { continue }
            do { try await Task.sleep(for: pause, clock: .continuous) } catch { return }
        }
    }

    /// Observes over one stream, to its end.
    private func carry(
        at endpoint: Endpoint, _ place: SharedPlace, _ onHeard: @escaping @Sendable () -> Void
    ) async -> End {
        let watch = StreamWatch(
            endpoint: endpoint, first: calls.settings.attemptTimeout,
            patience: heartbeat * 5 / 2 + .milliseconds(200))
        return await watch.run {
            do {
                let attempt = try calls.attempt(at: endpoint, timeout: nil)
                try await attempt.observe(request(place)) { response in
                    watch.noteHeard()
                    onHeard()
                    take(response, place)
                    return true
                }
                return .broken(.unreachable, "the node ended the stream")
            } catch {
                switch CallVerdict(error) {
                case .cancelled: return .broken(.unreachable, "no sign of life in time")
                case .fail(let error): return .failed(error)
                case .retry(let code, let reason): return .broken(code, reason)
                }
            }
        }
    }

    private func request(_ place: SharedPlace) -> Latchd_V1_ObserveRequest {
        let place = place.value.withLock { $0 }
        return .with {
            $0.latch = name.wire
            $0.afterToken = place.afterToken
            $0.afterIndex = place.index
            $0.heartbeatMs = UInt64(clamping: milliseconds(heartbeat))
        }
    }

    private func take(_ response: Latchd_V1_ObserveResponse, _ place: SharedPlace) {
        guard !response.heartbeat else { return }
        let state = response.hasState ? response.state : nil
        let step = place.value.withLock {
            $0.take(
                index: response.index,
                terms: response.terms.map { ($0.fencingToken, $0.hasEnded, LatchTerm($0)) },
                isReset: response.reset,
                current: state.map { ($0.fencingToken, $0.hasHolder) })
        }
        guard let step else { return }
        onObservation(
            LatchObservation(
                latch: state.map { LatchInfo(name, $0, index: response.index) },
                terms: step.terms, isReset: step.isReset, index: response.index))
    }
}

/// The place of an observer, for the closures of its streams.
private final class SharedPlace: Sendable {
    let value: Mutex<ObserverPlace>

    init(_ place: ObserverPlace) {
        value = Mutex(place)
    }
}
