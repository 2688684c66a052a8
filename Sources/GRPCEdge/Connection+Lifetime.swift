import NIOCore

// Pings, deadlines of the connection, and its orderly end.

extension Connection {
    /// The client's SETTINGS: the preface is complete.
    func settingsReceived() {
        liveness.greeted()
    }

    /// The answer to our PING.
    func pongReceived() {
        liveness.ponged()
    }

    /// One turn of the shard's clock.
    func sweep() {
        idleFrames = min(
            idleFrames &+ settings.maximumIdleFrames / 20, settings.maximumIdleFrames)
        resets = min(resets &+ settings.maximumResets / 30, settings.maximumResets)
        switch liveness.sweep() {
        case .none:
            break
        case .ping:
            session?.ping()
            setNeedsFlush()
        case .closeUngreeted:
            report("no HTTP/2 preface in time")
            close()
        case .closeStalledHead:
            report("a request's headers did not end in time")
            session?.terminate()
            flushNow()
            closeAfterWrites()
        case .closeSilent:
            reportSilence()
            close()
        case .closeNow:
            close()
        }
        endOverdueCalls()
    }

    /// Asks the client to leave: no new streams, open ones run to their end.
    func drain() {
        guard !isDraining, !isClosing else { return }
        isDraining = true
        guard let session else { return close() }
        session.submitShutdownNotice()
        setNeedsFlush()
        // About a round trip later: streams that crossed the notice are still served.
        loop.scheduleTask(in: .milliseconds(100)) {
            guard let session = self.session else { return }
            session.submitFinalGoAway()
            self.setNeedsFlush()
        }
    }

    /// Ends all calls with UNAVAILABLE and closes.
    func cut() {
        forEachCall { $0.interrupt(with: GRPCStatus(.unavailable, "the server is shutting down")) }
        flushNow()
        closeAfterWrites()
    }

    /// Calls whose service has not finished them.
    var openCalls: Int {
        var count = 0
        forEachCall { if $0.isOpen { count += 1 } }
        return count
    }
}
