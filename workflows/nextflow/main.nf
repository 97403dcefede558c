// A cohort: init → partitions → finalise → extract. nextflow.config has the settings.
//
//     nextflow run main.nf --samples sheet.tsv --partitions 8 -profile slurm
//
// The tests cannot run Nextflow: this file is only checked as Groovy. Processes pass on values, not files, because the
// program itself writes to the cohort's folder, which all machines see, and skips what is finished.
nextflow.enable.dsl = 2

process INIT {
    cpus params.threads

    input:
    val cohort
    val samples

    output:
    val true

    script:
    """
    epigept-batch cohort init '${cohort}' --samples '${samples}' --threads ${params.threads} ${params.init}
    """
}

process PARTITION {
    cpus params.threads
    tag "${part} of ${params.partitions}"
    errorStrategy 'retry'
    maxRetries 2

    input:
    val cohort
    val begun
    val part

    output:
    val part

    script:
    """
    epigept-batch cohort partition '${cohort}' ${part} --of ${params.partitions} ${params.partition}
    """
}

process FINALISE {
    input:
    val cohort
    val parts

    output:
    val true

    script:
    """
    epigept-batch cohort finalise '${cohort}'
    """
}

process EXTRACT {
    cpus params.threads

    input:
    val cohort
    val finalised
    val tracks

    script:
    """
    epigept-batch cohort extract '${cohort}' --out '${tracks}' ${params.extract}
    """
}

workflow {
    def cohort = file(params.cohort).toAbsolutePath()
    INIT(cohort, file(params.samples).toAbsolutePath())
    PARTITION(cohort, INIT.out, channel.of(1..(params.partitions as int)))
    FINALISE(cohort, PARTITION.out.collect())
    if (params.tracks) {
        EXTRACT(cohort, FINALISE.out, file(params.tracks).toAbsolutePath())
    }
}
