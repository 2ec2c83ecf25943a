"""What a product's genuine photos say of its appearance, and how far another photo departs from it.

One-class: learnt from genuine photos alone. A photo is aligned to a reference that the genuine photos make
together; what pose, light and camera explain is taken away; what is left is measured one physical cause at a
time, and calibrated to a p-value against genuine photos. The trainer fits (`fitting`), the verify API judges
(`judging`); no torch is needed for either.
"""
