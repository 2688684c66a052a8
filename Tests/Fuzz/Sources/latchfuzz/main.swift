import CFuzzer
import Foundation
import FuzzEntries

// latchfuzz: LATCH_FUZZ_TARGET names what is fuzzed, the arguments are libFuzzer's own.
// With LATCH_FUZZ_SEEDS=folder it only writes the target's seeds there.

let environment = ProcessInfo.processInfo.environment
let target = environment["LATCH_FUZZ_TARGET"].flatMap(FuzzTarget.init(rawValue:))

guard let target else {
    let names = FuzzTarget.allCases.map(\.rawValue).joined(separator: " ")
    print("LATCH_FUZZ_TARGET must be one of: \(names)")
    exit(64)
}

if let folder = environment["LATCH_FUZZ_SEEDS"] {
    for (number, seed) in target.seeds.enumerated() {
        let url = URL(fileURLWithPath: "\(folder)/seed-\(number)")
        do {
            try Data(seed).write(to: url)
        } catch {
            print("cannot write \(url.path): \(error)")
            exit(74)
        }
    }
    exit(0)
}

/// Runs one case; a finding ends the process, and libFuzzer keeps the case.
let runOne: @convention(c) (UnsafePointer<UInt8>?, Int) -> Int32 = { bytes, count in
    do throws(FuzzFinding) {
        try fuzzTarget.run(Array(UnsafeBufferPointer(start: bytes, count: count)))
    } catch {
        fatalError("\(fuzzTarget.rawValue): \(error)")
    }
    return 0
}

// libFuzzer ends the process itself.
atexit {
    FileHandle.standardError.write(Data("\(FuzzWork.report)\n".utf8))
}

nonisolated(unsafe) private var fuzzTarget = target
var count = CommandLine.argc
var arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>? = CommandLine.unsafeArgv
exit(LLVMFuzzerRunDriver(&count, &arguments, runOne))
