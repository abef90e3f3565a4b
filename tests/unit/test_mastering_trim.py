"""Trimming: what the trimmer keeps is the file, and the times stay those of the recording."""

import numpy as np
import pytest

from onrecord.calls.records import Trimmed
from onrecord.mastering.rough import Rough

RAMP = np.arange(-16000, 16000, dtype=np.int16)


def test_the_kept_part_comes_out_as_it_went_in(tmp_path):
    seen = []

    def trimmer(samples, rate):
        seen.append((samples.shape, rate, samples[5].tolist()))
        return 800, 16000

    rough = Rough(tmp_path, 2, 8000, trimmer)
    for at in range(0, len(RAMP), 7000):
        rough.write(np.stack([RAMP[at : at + 7000], -RAMP[at : at + 7000]]))
    blocks, cut = rough.trimmed()
    kept = np.concatenate(list(blocks), axis=1)
    assert kept.tolist() == [RAMP[800:16000].tolist(), (-RAMP[800:16000]).tolist()]
    assert cut == Trimmed(100, 2000, speech=True)
    assert seen == [((32000, 2), 8000, [-15995, 15995])]
    assert list(tmp_path.iterdir()) == []
    rough.close()


@pytest.mark.parametrize(("samples", "kept"), [(32000, 800), (300, 300), (0, 0)])
def test_without_speech_a_moment_is_kept(tmp_path, samples, kept):
    rough = Rough(tmp_path, 1, 8000, lambda *_: None)
    rough.write(RAMP[None, :samples])
    blocks, cut = rough.trimmed()
    assert sum(block.shape[1] for block in blocks) == kept
    assert cut == Trimmed(0, (samples - kept) // 8, speech=False)
    rough.close()
