"""What invented packages say, each sentence with the wording that a careless or sly forger has instead."""

from collections.abc import Sequence

import numpy as np

Said = tuple[str, str]
"""A genuine sentence and a forged one, about as long."""

MEDICINE: tuple[Said, ...] = (
    ("Keep out of the sight and reach of children.", "Keep out of the sight and touch of children."),
    ("Read the package leaflet before use.", "Read the enclosed booklet before use."),
    ("Do not store above 25 C.", "Do not store above 35 C."),
    (
        "Each tablet contains 40 mg of the active substance.",
        "Each tablet contains 80 mg of the active substance.",
    ),
    ("Contains lactose monohydrate.", "Contains sucrose monohydrate."),
    ("Swallow whole with a glass of water.", "Dissolve whole in a glass of water."),
    ("Do not use after the expiry date.", "Do not use before the expiry date."),
    ("Protect from light and moisture.", "Protect from heat and moisture."),
    ("Ask your doctor or pharmacist for advice.", "Ask your dealer or pharmacist for advice."),
    ("Return unused medicine to a pharmacy.", "Return unused medicine to the retailer."),
    ("Not for children under 12 years.", "Not for children under 16 years."),
    ("Medicinal product subject to prescription.", "Medicinal product without prescription."),
    ("May cause drowsiness; do not drive.", "May cause dizziness; do not dance."),
    ("Store in the original carton.", "Store in the original folder."),
)

COSMETICS: tuple[Said, ...] = (
    ("Apply to clean skin, morning and evening.", "Apply to damp skin, morning and evening."),
    ("Avoid contact with the eyes.", "Avoid contact with the lips."),
    ("Dermatologically tested.", "Ophthalmologically tested."),
    ("Made with cold-pressed rose hip oil.", "Made with cold-pressed sunflower oil."),
    ("Free from parabens and silicones.", "Free from alcohol and silicones."),
    ("For external use only.", "For outdoor use only."),
    ("Use within 12 months of opening.", "Use within 24 months of opening."),
)

TOYS: tuple[Said, ...] = (
    ("Ages 3 and up.", "Ages 8 and up."),
    ("Contains 48 pieces and one play mat.", "Contains 84 pieces and two play mats."),
    ("Small parts: not for children under 36 months.", "Small parts: not for children under 18 months."),
    ("Colours and contents may vary.", "Colours and contents are fixed."),
    ("Batteries not included.", "Batteries now included."),
    ("Adult assembly required.", "No assembly is required."),
    ("Please keep this box for reference.", "Please recycle this box after use."),
    ("Collect all six friends of the forest!", "Collect all nine friends of the desert!"),
)

FOOD: tuple[Said, ...] = (
    ("Serve well chilled.", "Serve when warm."),
    ("Ingredients: water, cane sugar, lemon juice.", "Ingredients: water, corn syrup, citric acid."),
    ("Best before end: see base.", "Best before end: see neck."),
    ("Please recycle.", "Please reuse."),
    ("Contains natural flavours only.", "Contains artificial flavours only."),
    ("Energy 180 kJ / 43 kcal per 100 ml.", "Energy 480 kJ / 114 kcal per 100 ml."),
    ("Shake gently before opening.", "Shake strongly before opening."),
    ("Once opened, keep refrigerated.", "Once opened, keep in the dark."),
    ("Produced and filled by the house since 1911.", "Produced and filled for the house since 1991."),
    ("Gently cooked in small batches.", "Quickly cooked in large batches."),
    ("Made from sun-ripened fruit.", "Made from fruit concentrate."),
)


def say(rng: np.random.Generator, stock: Sequence[Said], count: int) -> tuple[Said, ...]:
    """Draw `count` different sentences of a stock."""
    return tuple(stock[int(place)] for place in rng.permutation(len(stock))[:count])
