"""Texts on standard input (JSON: [[voice, text], ...]), speech on standard output: for each its length in bytes (4, little endian), then 16 kHz PCM."""

import json
import struct
import sys

from py_nanotts import NanoTTS

tts = NanoTTS()
for voice, text in json.load(sys.stdin.buffer):
    pcm = tts.speak(text, voice=voice, speed=1.05)
    sys.stdout.buffer.write(struct.pack("<I", len(pcm)) + pcm)
