"""The variants of a sweep as points: ``points`` finds what is to be shown, ``axes`` and ``pictures`` draw it."""
