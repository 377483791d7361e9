"""How right the doctor is: faults on purpose, healthy look-alikes, measured states, scores.

A case is a recipe (`recipe`), changed by a fault (`faults`) or a usual one (`healthy`). `record`
trains it and keeps what the doctor was given, `measures` says what state it was in without the
doctor, `judging` holds the rules against the record, `scoring` counts, `page` writes it down,
`treating` fits the treated model.
"""
