// @evan/opus keeps one output buffer per process, and Jest loads a package anew for each test file of a process: from the second
// one on the native encoder would write into the buffer of the first. Its WebAssembly half has no such trouble.
process.env.OPUS_FORCE_WASM = "1";
