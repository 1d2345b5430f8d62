"""What is asked and how the answers are scored: samples, preprocessing, accuracy. One folder per task."""

from __future__ import annotations

from mlassay.core.registry import Entry, registry

task_registry = registry(
    "task",
    "mlassay.tasks",
    Entry(
        "image-classification",
        "mlassay.tasks.image_classification.task:TASK",
        "name what a picture shows: clothing (packed, no download) or ImageNet",
    ),
    Entry(
        "language",
        "mlassay.tasks.language.task:TASK",
        "find the answer to a question in a paragraph: countries, elements, books (packed, no download) or SQuAD",
    ),
    Entry(
        "image-generation",
        "mlassay.tasks.image_generation.task:TASK",
        "draw what a caption says: COCO captions and scoring for a system of yours; no model comes along",
    ),
    Entry(
        "language-generation",
        "mlassay.tasks.generation.task:TASK",
        "go on writing after a prompt: Bible verses without vowels (packed, no download), CNN/DailyMail or OpenOrca",
    ),
    Entry(
        "medical-segmentation",
        "mlassay.tasks.medical_segmentation.task:TASK",
        "mark tissue in volumes, sliding window: a brain (packed, no download) or KiTS19",
    ),
    Entry(
        "object-detection",
        "mlassay.tasks.object_detection.task:TASK",
        "find what is in a picture and where: scenes of clothing (packed, no download), COCO or OpenImages",
    ),
    Entry(
        "recommendation",
        "mlassay.tasks.recommendation.task:TASK",
        "rate user-item pairs by click probability: a census table (packed, no download) or Criteo",
    ),
    Entry(
        "speech",
        "mlassay.tasks.speech.task:TASK",
        "write down what is said: spoken digits (packed, no download) or LibriSpeech",
    ),
    Entry(
        "translation",
        "mlassay.tasks.translation.task:TASK",
        "English to German: sentences with numbers (packed, no download) or newstest2014",
    ),
)
"""Every task by name; plug-ins join through the entry-point group "mlassay.tasks"."""
