"""The papers' settings, written down once more and independently of the config files.

Fields are written as on the command line, `schedule.per=epoch_end`.
"""

import ast


def fields(text: str) -> dict:
    """`{"epochs": 300.0, "schedule.per": "epoch", ...}` of `epochs=300.0 schedule.per=epoch ...`."""
    return {name: value(word) for name, word in (part.split("=", 1) for part in text.split())}


def value(word: str):
    try:
        return ast.literal_eval(word)
    except (ValueError, SyntaxError):
        return word


SGD = "optimizer.name=sgd optimizer.momentum=0.9 optimizer.decay=all "
SUPCONTRAST = (  # SelfCon's code descends from SupContrast
    f"{SGD} optimizer.nesterov=False optimizer.weight_decay=1e-4 schedule.name=cosine schedule.per=epoch_end"
    " schedule.spans=all_epochs schedule.final_fraction=1e-3 "
)
SELFCON = f"{SUPCONTRAST} schedule.warmup_epochs=0.0 learning_rate.scaling=linear learning_rate.reference_batch=128 "
EXIT = "network.subnetworks=('block2',) network.subnetwork=small "
COSINE = "schedule.name=cosine schedule.per=step schedule.spans=after_warmup schedule.final_fraction=0.0 "
PREDICTS = "method.predictor_depth=2 method.predictor_hidden=4096 head.dim=256 head.hidden=4096 head.hidden_norm=True "
NO_BIASES = "head.hidden_bias=False head.output_bias=False "
LINEAR_256 = "learning_rate.scaling=linear learning_rate.reference_batch=256 "

FAMILIES = {
    "supcon": f"""{SUPCONTRAST} epochs=1000.0 learning_rate.peak=0.5
        schedule.warmup_epochs=10.0 schedule.warmup_from=0.01""",
    "supcon_imagenet": f"""{COSINE} {LINEAR_256} epochs=350.0 batch_size=6144 learning_rate.peak=0.4
        optimizer.name=lars optimizer.momentum=0.9 optimizer.weight_decay=1e-3 optimizer.trust_on=gradient
        optimizer.decay=kernels schedule.warmup_epochs=12.0 network.residual_scale=0.0
        head.dim=128 head.depth=1 head.output_bias=False head.kernel=normal""",
    "supcon_cross_entropy_imagenet": f"""{COSINE} {LINEAR_256} epochs=200.0 batch_size=6144 learning_rate.peak=0.1
        optimizer.name=sgd optimizer.momentum=0.9 optimizer.nesterov=True optimizer.weight_decay=1e-4
        optimizer.decay=all optimizer.exclude=('norm',) schedule.warmup_epochs=12.0 network.residual_scale=0.0""",
    "simclr_imagenet": f"""{COSINE} {LINEAR_256} {NO_BIASES} epochs=1000.0 batch_size=4096 learning_rate.peak=0.3
        network.residual_scale=0.0 head.dim=128 head.depth=2 head.hidden_norm=True head.output_norm=scale
        head.kernel=normal optimizer.name=lars optimizer.momentum=0.9 optimizer.weight_decay=1e-6
        optimizer.decay=kernels schedule.warmup_epochs=10.0""",
    "selfcon": f"{SELFCON} epochs=1000.0 batch_size=256 learning_rate.peak=0.0625",
    "cross_entropy": f"{SUPCONTRAST} epochs=500.0 batch_size=1024",
    "one_stage": f"{SELFCON} {EXIT} epochs=500.0 batch_size=512 learning_rate.peak=0.125",
    "sdssl": f"""{COSINE} {LINEAR_256} {NO_BIASES} epochs=300.0 head.dim=256 head.depth=3 head.hidden=4096
        head.hidden_norm=True optimizer.name=adamw optimizer.weight_decay=0.1 optimizer.decay=kernels
        schedule.warmup_epochs=40.0 schedule.warmup_endpoint=True""",
    "intriguing": f"""{COSINE} {NO_BIASES} epochs=800.0 network.residual_scale=0.0 head.depth=2 head.hidden_norm=True
        head.output_norm=scale head.kernel=normal learning_rate.scaling=sqrt learning_rate.reference_batch=1
        optimizer.name=lars optimizer.momentum=0.9 optimizer.weight_decay=1e-4 optimizer.decay=kernels
        schedule.warmup_epochs=10.0""",
    "mcl": f"""{SGD} head.dim=128 learning_rate.scaling=none
        method.networks=2 method.soft=3.0 method.soft_vcl=1.0 method.soft_icl=1.0""",
    "moco": f"""{SGD} {LINEAR_256} epochs=200.0 batch_size=256 network.norm_group=32 learning_rate.peak=0.03
        optimizer.nesterov=False optimizer.weight_decay=1e-4 method.queue_size=65536
        method.teacher_momentum=0.999 head.dim=128 head.hidden=0""",
    "teacher": f"{COSINE} {LINEAR_256} {PREDICTS} batch_size=4096",
}
"""What all configs of a family share."""

SUPCONTRAST_CE = """learning_rate.peak=0.8 learning_rate.scaling=none schedule.warmup_epochs=10.0
    schedule.warmup_from=0.01 """
LARGE = "batch_size=1024 learning_rate.scaling=none "
MEMORY = "batch_size=256 learning_rate.scaling=linear learning_rate.reference_batch=1024 "
TAU_01 = "method.tau=0.1 method.loss_scale=1.4285714285714286 "  # tau / 0.07
TAU_05 = "method.tau=0.5 method.loss_scale=7.142857142857143 "
FEATURES = "method.form=features "
SLOTS = "method.negatives=16384 method.memory_momentum=0.5 "
VIT_EXITS = f"network.subnetworks={tuple(f'layer{n:02d}' for n in range(1, 12))} ".replace(", ", ",")
DISTILLED = (
    f"{VIT_EXITS} method.alpha_schedule=cosine method.layer_hidden=2048 method.alpha=0.8 batch_size=1024 "
)
BASELINE = "batch_size=1024 "
SDSSL_TEACHER = f"{PREDICTS} method.teacher_momentum=0.996 learning_rate.peak=1.5e-4 "
SDSSL_MOCO = "method.tau=0.2 method.loss_scale=0.4 head.output_norm=plain "
SDSSL_SIMCLR = "method.tau=0.2 method.loss_scale=1.0 head.output_norm=plain learning_rate.peak=1.3e-4 "
CIFAR = "batch_size=128 head.dim=64 learning_rate.peak=0.2 "
SWD = f"{CIFAR} method.name=intriguing_swd method.lam=5.0 "
LABELLED = "method.cross_entropy=1.0 method.vcl=0.1 method.icl=0.1 head.depth=2 head.hidden=128 "
MOCO_V1 = "schedule.name=step schedule.milestones=(120,160) schedule.decay=0.1 method.tau=0.07 head.depth=1 "

CONFIGS = {
    "supcon": ("supcon", "supcon_cifar", f"{LARGE} {TAU_01}"),
    "supcon_imagenet": (
        "supcon_imagenet",
        "supcon_imagenet",
        "method.name=supcon method.tau=0.1 method.loss_scale=0.1",
    ),
    "supcon_cross_entropy_imagenet": (
        "supcon_cross_entropy_imagenet",
        "supcon_imagenet",
        "method.name=cross_entropy method.label_smoothing=0.05",
    ),
    "simclr_imagenet": (
        "simclr_imagenet",
        "simclr_imagenet",
        "method.name=simclr method.tau=0.1 method.loss_scale=2.0",
    ),
    "supcon_in": ("supcon", "supcon_cifar", f"{LARGE} {TAU_01}"),
    "supcon_triplet": ("supcon", "supcon_cifar", f"{LARGE} {TAU_01}"),
    "supcon_joint": ("supcon", "supcon_cifar", f"{LARGE} {TAU_01} method.probe_scale=1.0"),
    "supcon_bank": ("supcon", "supcon_cifar", f"{MEMORY} {TAU_01} method.bank_size=8192"),
    "supcon_queue": (
        "supcon",
        "supcon_cifar",
        f"{MEMORY} {TAU_01} method.queue_size=8192 method.teacher_momentum=0.999",
    ),
    "supcon_n_pairs": (
        "supcon",
        "supcon_cifar",
        f"{LARGE} method.tau=1.0 method.loss_scale=1.0 method.views=1",
    ),
    "supcon_large_margin": (
        "cross_entropy",
        "crop_flip",
        f"{SUPCONTRAST_CE} method.margin=4 method.blend=1000.0 method.blend_rate=2e-5 method.blend_power=45.0",
    ),
    "supcon_cross_entropy": ("cross_entropy", "crop_flip", f"{SUPCONTRAST_CE} method.name=cross_entropy"),
    "simclr": ("supcon", "supcon_cifar", f"{LARGE} {TAU_05}"),
    "selfcon_s": ("selfcon", "selfcon", f"{EXIT} {TAU_01}"),
    "selfcon_s_bank": ("selfcon", "selfcon", f"{EXIT} {TAU_01} method.bank_size=1024"),
    "selfcon_m": ("selfcon", "selfcon", f"{EXIT} {TAU_01} method.alpha=1.0"),
    "selfcon_m_joint": ("selfcon", "selfcon", f"{EXIT} {TAU_01}"),
    "selfcon_mu": ("selfcon", "selfcon", f"{EXIT} {TAU_05} method.alpha=1.0"),
    "selfcon_mu_joint": ("selfcon", "selfcon", f"{EXIT} {TAU_05}"),
    "selfcon_su": ("selfcon", "selfcon", f"{EXIT} {TAU_05}"),
    "supcon_s": ("selfcon", "selfcon", f"{TAU_01} network.subnetworks=()"),
    "cross_entropy": (
        "cross_entropy",
        "crop_flip",
        """network.subnetworks=() schedule.warmup_epochs=0.0 learning_rate.peak=0.1 learning_rate.scaling=linear
            learning_rate.reference_batch=128""",  # 0.8 at batch 1024
    ),
    "selfcon_1stage_byol": ("one_stage", "crop_flip", f"{FEATURES} method.beta=1.0"),
    "selfcon_1stage_compress": (
        "one_stage",
        "crop_flip",
        f"{FEATURES} method.beta=1.0 method.tau=0.04 method.queue_size=16384",
    ),
    "selfcon_1stage_crd": ("one_stage", "crop_flip", f"{FEATURES} {SLOTS} method.beta=0.8 method.tau=0.07"),
    "selfcon_1stage_mlcpc": (
        "one_stage",
        "crop_flip",
        f"{FEATURES} {SLOTS} method.beta=1.0 method.tau=0.07 method.alpha=0.01",
    ),
    "selfcon_1stage_selfcon": ("one_stage", "crop_flip", f"{FEATURES} method.beta=1.0 method.tau=3.0"),
    "selfcon_1stage_sd": ("one_stage", "crop_flip", "method.beta=0.5 method.soft=3.0"),
    "selfcon_1stage_released": (
        "one_stage",
        "crop_flip",
        "method.alpha=1.0 method.beta=0.0 method.gamma=34.285714285714285 method.tau=3.0",  # 0.8 tau / 0.07
    ),
    "sdssl_byol": ("sdssl", "sdssl", f"{DISTILLED} {SDSSL_TEACHER} method.beta=1.0 head.output_norm=none"),
    "sdssl_moco_v3": ("sdssl", "sdssl", f"{DISTILLED} {SDSSL_TEACHER} {SDSSL_MOCO} method.beta=1.0"),
    "sdssl_simclr": ("sdssl", "sdssl", f"{DISTILLED} {SDSSL_SIMCLR}"),
    "sdssl_simclr_same_view": ("sdssl", "sdssl", f"{DISTILLED} {SDSSL_SIMCLR}"),
    "sdssl_byol_baseline": (
        "sdssl",
        "sdssl",
        f"{BASELINE} {VIT_EXITS} {SDSSL_TEACHER} method.name=byol head.output_norm=none",
    ),
    "sdssl_moco_v3_baseline": (
        "sdssl",
        "sdssl",
        f"{BASELINE} {VIT_EXITS} {SDSSL_TEACHER} {SDSSL_MOCO} method.name=moco_v3",
    ),
    "sdssl_simclr_baseline": ("sdssl", "sdssl", f"{BASELINE} {SDSSL_SIMCLR} method.name=simclr"),
    "intriguing_nt_xent": (
        "intriguing",
        "simclr_cifar_tensorflow",
        f"{CIFAR} method.tau=0.2 method.loss_scale=2.0",
    ),
    "intriguing_decoupled": (
        "intriguing",
        "simclr_cifar_tensorflow",
        f"{CIFAR} method.tau=1.0 method.lam=0.1 method.loss_scale=1000.0",
    ),
    "intriguing_decoupled_paper": (
        "intriguing",
        "simclr_cifar_tensorflow",
        f"{CIFAR} method.tau=0.2 method.lam=0.2 method.loss_scale=10.0",
    ),
    "intriguing_swd": (
        "intriguing",
        "simclr_cifar_tensorflow",
        f"{SWD} method.prior=normal method.loss_scale=1.0",
    ),
    "intriguing_swd_hypercube": (
        "intriguing",
        "simclr_cifar_tensorflow",
        f"{SWD} method.prior=hypercube method.loss_scale=1.0",
    ),
    "intriguing_swd_hypersphere": (
        "intriguing",
        "simclr_cifar_tensorflow",
        f"{SWD} method.prior=hypersphere method.loss_scale=1000.0",
    ),
    "mcl": (
        "mcl",
        "mcl_cifar",
        f"""{LABELLED} epochs=300.0 batch_size=128 method.tau=0.1 learning_rate.peak=0.1 optimizer.nesterov=True
            optimizer.weight_decay=5e-4 schedule.name=cosine schedule.per=epoch sampler.name=class_aware
            sampler.per_class=2""",
    ),
    "mcl_bank": (
        "mcl",
        "mcl_imagenet",
        f"""{LABELLED} epochs=90.0 batch_size=256 method.tau=0.07 method.positives=1 method.negatives=8192
            method.memory_momentum=0.5 learning_rate.peak=0.1 optimizer.nesterov=True optimizer.weight_decay=1e-4
            method.distillation=none method.distillation_weight=1.0
            schedule.name=step schedule.milestones=(30,60) schedule.decay=0.1""",
    ),
    "mcl_moco": (
        "mcl",
        "moco_v1",
        f"""{MOCO_V1} network.norm_group=32 epochs=200.0 batch_size=256 method.vcl=1.0 method.icl=1.0
            method.queue_size=65536 method.teacher_momentum=0.999 learning_rate.peak=0.03 optimizer.nesterov=False
            optimizer.weight_decay=1e-4""",
    ),
    "moco": ("moco", "moco_v2", "schedule.name=cosine schedule.per=epoch method.tau=0.2 head.depth=2"),
    "moco_v1": ("moco", "moco_v1", f"{MOCO_V1} method.name=moco"),
    "moco_v3": (
        "teacher",
        "moco_v3",
        f"""{NO_BIASES} epochs=300.0 head.depth=3 head.output_norm=plain method.teacher_momentum=0.99 method.tau=0.2
            method.loss_scale=0.4 learning_rate.peak=1.5e-4 optimizer.name=adamw optimizer.weight_decay=0.1
            optimizer.decay=all schedule.warmup_epochs=40.0""",
    ),
    "byol": (
        "teacher",
        "byol",
        """epochs=1000.0 head.depth=2 head.hidden_bias=True head.output_bias=False head.output_norm=none
            method.teacher_momentum=0.996 learning_rate.peak=0.2 optimizer.name=lars optimizer.momentum=0.9
            optimizer.weight_decay=1.5e-6 optimizer.decay=kernels schedule.warmup_epochs=10.0
            network.residual_scale=0.0""",
    ),
}
"""Per config: its family, its augmentation recipe, and its own values, all for its default argument."""

IMAGENET = "batch_size=1024 head.dim=128 learning_rate.peak=0.075 "
AFTER_1, AFTER_2 = "network.subnetworks=('block1',)", "network.subnetworks=('block2',)"
BRANCHED = [name for name in CONFIGS if name.startswith("selfcon_")]
VARIANTS = {
    **{(name, "cifar100,wrn_16_8"): (CONFIGS[name][1], AFTER_1) for name in BRANCHED},
    **{(name, "cifar100,vgg16_bn"): (CONFIGS[name][1], AFTER_1) for name in BRANCHED},
    **{(name, "cifar100,resnet50"): (CONFIGS[name][1], AFTER_2) for name in BRANCHED},
    ("sdssl_byol", "imagenet,vit_small_32"): ("sdssl", "method.alpha=0.6 batch_size=4096"),
    ("sdssl_moco_v3", "imagenet,vit_small_32"): ("sdssl", "method.alpha=0.6 batch_size=4096"),
    ("sdssl_simclr", "imagenet,vit_small_32"): ("sdssl", "method.alpha=0.6 batch_size=4096"),
    ("sdssl_simclr_same_view", "imagenet,vit_small_32"): ("sdssl", "method.alpha=0.6 batch_size=4096"),
    ("sdssl_byol_baseline", "imagenet,vit_small_32"): ("sdssl", "batch_size=4096"),
    ("sdssl_moco_v3_baseline", "imagenet,vit_small_32"): ("sdssl", "batch_size=4096"),
    ("sdssl_simclr_baseline", "imagenet,vit_small_32"): ("sdssl", "batch_size=4096"),
    ("sdssl_byol", "cifar10,resnet18"): (
        "sdssl",
        "network.subnetworks=('block1','block2','block3') network.subnetwork=fc method.alpha=0.8 batch_size=1024",
    ),
    ("sdssl_simclr", "cifar10,resnet18"): (
        "sdssl",
        "network.subnetworks=('block1','block2','block3') network.subnetwork=fc",
    ),
    ("sdssl_byol_baseline", "cifar10,resnet18"): ("sdssl", "network.subnetworks=()"),
    ("intriguing_nt_xent", "imagenet,resnet50"): ("simclr_imagenet", IMAGENET),
    ("intriguing_decoupled", "imagenet,resnet50"): ("simclr_imagenet", IMAGENET),
    ("intriguing_decoupled_paper", "imagenet,resnet50"): ("simclr_imagenet", IMAGENET),
    ("intriguing_swd", "imagenet,resnet50"): ("simclr_imagenet", IMAGENET),
    ("intriguing_swd_hypercube", "imagenet,resnet50"): ("simclr_imagenet", IMAGENET),
    ("intriguing_swd_hypersphere", "imagenet,resnet50"): ("simclr_imagenet", IMAGENET),
    ("selfcon_s", "tiny_imagenet,resnet18"): (
        "selfcon",
        "augment.mean=(0.485,0.456,0.406) augment.std=(0.229,0.224,0.225) augment.size=0 network.stem=cifar",
    ),
    ("selfcon_s", "imagenet,resnet34"): (
        "selfcon",
        f"""{AFTER_2} network.subnetwork=same network.stem=imagenet epochs=800.0 batch_size=2048 learning_rate.peak=0.25
            learning_rate.scaling=none schedule.warmup_epochs=10.0 schedule.warmup_from=0.01""",
    ),
    ("supcon_queue", "imagenet,resnet50"): (
        "supcon_imagenet",
        f"""{SGD} optimizer.nesterov=False optimizer.weight_decay=1e-4 epochs=350.0 batch_size=256 method.tau=0.1
            method.loss_scale=1.0 method.queue_size=8192 method.teacher_momentum=0.999 head.dim=128 head.depth=1
            head.output_bias=False head.kernel=normal learning_rate.peak=0.03 {LINEAR_256} schedule.name=cosine
            schedule.per=epoch schedule.warmup_epochs=0.0""",
    ),
    ("moco", "cifar10,resnet18"): ("simclr_cifar", "method.tau=0.2 network.norm_group=32"),
    ("moco_v3", "imagenet,resnet50"): (
        "moco_v3",
        """head.depth=2 method.tau=1.0 method.loss_scale=2.0 learning_rate.peak=0.3 optimizer.name=lars
            optimizer.momentum=0.9 optimizer.weight_decay=1e-6 optimizer.decay=kernels schedule.warmup_epochs=10.0
            network.residual_scale=0.0
            augment.crop_scale=(0.2,1.0)""",
    ),
}
"""Per config and other argument: the augmentation recipe, and what depends on the argument."""

PLAIN_SGD = (
    "optimizer.name=sgd optimizer.momentum=0.9 protocol.augment=crop_flip protocol.label_smoothing=0.0 "
)
NO_DECAY = f"{PLAIN_SGD} optimizer.nesterov=False optimizer.weight_decay=0.0 "
CIFAR_CODE = """protocol.epochs=100 protocol.batch_size=512 protocol.init=torch protocol.crop_scale=(0.2,1.0)
    judged=student """
OF_60_75_90 = "schedule.name=step schedule.milestones=(60,75,90) schedule.decay=0.2 "
DROPS = "schedule.name=step schedule.milestones=(60,80) schedule.decay=0.1 "
OF_256 = "protocol.lr_scaling=linear protocol.crop_scale=(0.08,1.0) protocol.normalize=False "
VIT_LINEAR = f"""{NO_DECAY} {OF_256} protocol.epochs=90 protocol.batch_size=1024 protocol.init=normal
    schedule.name=cosine schedule.per=epoch schedule.warmup_epochs=0.0 schedule.final_fraction=0.0 """
SIMCLR_LINEAR = f"""{PLAIN_SGD} {OF_256} optimizer.nesterov=True optimizer.decay=all protocol.init=zeros
    protocol.learning_rates=(0.1,) schedule.name=cosine schedule.per=step schedule.warmup_epochs=0.0 judged=student """
PROTOCOLS = {
    "supcontrast": f"{NO_DECAY} {CIFAR_CODE} {OF_60_75_90} protocol.learning_rates=(5.0,)",
    "simclr": f"{NO_DECAY} {CIFAR_CODE} {OF_60_75_90} protocol.learning_rates=(1.0,)",
    "selfcon": f"{NO_DECAY} {CIFAR_CODE} {DROPS} protocol.learning_rates=(3.0,)",
    "selfcon_paper": f"{PLAIN_SGD} {CIFAR_CODE} {DROPS} protocol.learning_rates=(5.0,) optimizer.weight_decay=1e-4",
    "moco": f"""{NO_DECAY} {DROPS} protocol.learning_rates=(30.0,) protocol.lr_scaling=none protocol.epochs=100
        protocol.batch_size=256 protocol.init=normal protocol.crop_scale=(0.08,1.0) judged=student""",
    "moco_v3": f"{VIT_LINEAR} protocol.learning_rates=(3.0,) judged=student",
    "moco_v3_resnet": f"{VIT_LINEAR} protocol.learning_rates=(0.1,) judged=student",
    "sdssl": f"{VIT_LINEAR} protocol.learning_rates=(3.0,) judged=teacher",
    "simclr_tensorflow": f"{SIMCLR_LINEAR} protocol.epochs=100 protocol.batch_size=512 optimizer.weight_decay=0.0",
    "simclr_imagenet": f"{SIMCLR_LINEAR} protocol.epochs=90 protocol.batch_size=4096 optimizer.weight_decay=1e-6",
    "selfcon_imagenet": f"""{NO_DECAY} {CIFAR_CODE} protocol.epochs=40 protocol.learning_rates=(5.0,) schedule.name=step
        schedule.milestones=(20,30) schedule.decay=0.1""",
    "byol": f"""{PLAIN_SGD} {OF_256} optimizer.nesterov=True optimizer.weight_decay=0.0 protocol.learning_rates=(0.2,)
        protocol.epochs=80 protocol.batch_size=1024 protocol.init=torch schedule.name=cosine schedule.per=step
        schedule.warmup_epochs=0.0 schedule.final_fraction=0.0 judged=student""",
    "supcon_imagenet": """protocol.learning_rates=(0.05,) protocol.lr_scaling=linear protocol.epochs=90
        protocol.batch_size=6144 protocol.init=glorot protocol.normalize=True protocol.label_smoothing=0.05
        optimizer.name=rmsprop optimizer.rate=0.9 optimizer.momentum=0.9 optimizer.eps=0.001
        optimizer.weight_decay=1e-6 optimizer.decay=all schedule.name=exponential schedule.decay=0.97
        schedule.epochs_per_decay=0.5 schedule.staircase=True schedule.warmup_epochs=12.0""",
    "dino": f"""{NO_DECAY} {OF_256} protocol.learning_rates=(0.001,) protocol.epochs=100 protocol.batch_size=1024
        protocol.init=normal schedule.name=cosine schedule.per=epoch judged=student""",
}
"""Per linear protocol, what the authors' code sets."""
