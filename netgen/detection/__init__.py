"""Pictures into networks, and boxes onto pictures; what needs torch is in ``netgen.mirror``.

``images`` reads and resizes as Darknet and OpenCV do, ``preparation`` knows what each family of networks was trained
with, ``heads`` what decoding goes by, ``drawing`` draws.
"""
