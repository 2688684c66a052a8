package import LatchAPI
import SwiftProtobuf

extension Atomix_Headers_RequestHeader {
    /// The header of a call for one latch; `streams` acknowledges frames of Events streams.
    package static func with(
        _ latch: String, in namespace: String, session: UInt64, requestID: UInt64,
        index: UInt64 = 0, streams: [(id: UInt64, response: UInt64)] = []
    ) -> Self {
        .with {
            $0.name = .with {
                $0.name = latch
                $0.namespace = namespace
            }
            $0.sessionID = session
            $0.requestID = requestID
            $0.index = index
            $0.streams = streams.map { stream in
                .with {
                    $0.streamID = stream.id
                    $0.responseID = stream.response
                }
            }
        }
    }
}
