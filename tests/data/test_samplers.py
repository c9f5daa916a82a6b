from collections import Counter
from itertools import chain, islice, pairwise

import pytest

from fcn_lightning.data.samplers import Shard, TrainingOrder, drawn

RUN = {"num_images": 11, "seed": 3, "batch": 8, "per_pass": 8, "max_steps": 12}


@pytest.fixture(params=["with_replacement", "permutation"])
def order(request):
    return request.param


def passes(order, **changes):
    return list(TrainingOrder(order, **{**RUN, **changes}))


def indices(order, **changes):
    return [draw.index for draw in chain.from_iterable(passes(order, **changes))]


def test_one_pass_per_step_with_places_in_order(order):
    run = passes(order)
    assert len(run) == 12
    assert [[draw.step for draw in one] for one in run] == [[step] * 8 for step in range(12)]
    assert all([draw.place for draw in one] == list(range(8)) for one in run)


def test_the_order_is_a_function_of_seed_and_step(order):
    assert passes(order) == passes(order)
    assert indices(order) != indices(order, seed=4)


def test_first_step_resumes_the_same_sequence(order):
    assert passes(order, first_step=5) == passes(order)[5:]


def test_a_longer_run_starts_like_a_shorter_one(order):
    assert passes(order, max_steps=20)[:12] == passes(order)


def test_permutation_draws_each_image_once_per_round():
    seen = indices("permutation", max_steps=11)
    rounds = [seen[i : i + 11] for i in range(0, 88, 11)]
    assert all(sorted(one) == list(range(11)) for one in rounds)
    assert all(a != b for a, b in pairwise(rounds))


def test_permutation_of_fewer_images_than_the_batch():
    assert Counter(indices("permutation", num_images=3, max_steps=3)) == {0: 8, 1: 8, 2: 8}


def test_with_replacement_draws_evenly_and_repeats():
    seen = Counter(indices("with_replacement", max_steps=1000))
    assert set(seen) == set(range(11))
    assert all(count == pytest.approx(8000 / 11, rel=0.15) for count in seen.values())
    assert any(
        len(set(islice(drawn("with_replacement", 11, 3, first), 8))) < 8 for first in range(3)
    )


def test_with_replacement_is_the_references_order():
    """Python 2's random.seed(1337), random.randint(0, 8497), measured there."""
    first = [5249, 4531, 3108, 4978, 1408, 7005, 3260, 6710, 7832, 2614]
    assert list(islice(drawn("with_replacement", 8498, 1337), 10)) == first
    assert list(islice(drawn("with_replacement", 8498, 1337, first=4), 6)) == first[4:]


def test_passes_split_the_batch_in_order(order):
    assert [len(one) for one in passes(order, per_pass=2)] == [2] * 48
    assert list(chain.from_iterable(passes(order, per_pass=2))) == list(
        chain.from_iterable(passes(order))
    )


@pytest.mark.parametrize(("num_processes", "per_pass"), [(2, 4), (2, 2), (2, 1), (4, 2), (8, 1)])
def test_processes_share_the_images_of_one_process(order, num_processes, per_pass):
    ranks = [
        passes(order, per_pass=per_pass, rank=rank, num_processes=num_processes)
        for rank in range(num_processes)
    ]
    accumulated = 8 // (num_processes * per_pass)
    assert all(len(rank) == 12 * accumulated for rank in ranks)
    for step, whole in enumerate(passes(order)):
        mine = [rank[step * accumulated : (step + 1) * accumulated] for rank in ranks]
        draws = chain.from_iterable(chain.from_iterable(mine))
        assert sorted(draws, key=lambda draw: draw.place) == whole


def test_length_counts_the_whole_run(order):
    arguments = {**RUN, "per_pass": 2, "num_processes": 2}
    assert len(TrainingOrder(order, **arguments)) == len(passes(order, per_pass=2)) // 2 == 24
    assert len(TrainingOrder(order, **arguments, first_step=7)) == 24


@pytest.mark.parametrize("num_images", [1, 2, 7, 8])
@pytest.mark.parametrize("num_processes", [1, 2, 3])
def test_shards_score_each_image_once(num_images, num_processes):
    shards = [Shard(num_images, rank, num_processes) for rank in range(num_processes)]
    assert sorted(chain(*shards)) == list(range(num_images))
    assert [len(shard) for shard in shards] == [len(list(shard)) for shard in shards]
    assert max(map(len, shards)) - min(map(len, shards)) <= 1
